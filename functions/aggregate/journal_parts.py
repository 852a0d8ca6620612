"""The stores with which aggregate appends to journals and applies them, over one engine."""

from __future__ import annotations

from tallygate.operations.journal.append import JournalParts
from tallygate.storage.base.engine import Engine
from tallygate.storage.journal.first_use import CellFirstUse
from tallygate.storage.journal.records import Journal
from tallygate.storage.journal.rules import Rules
from tallygate.storage.journal.totals import Totals
from tallygate.storage.metering.rejections import Rejections


def journal_parts(engine: Engine) -> JournalParts:
    return JournalParts(
        journal=Journal(engine),
        totals=Totals(engine),
        rules=Rules(engine),
        first_uses=CellFirstUse(engine),
        rejections=Rejections(engine),
    )
