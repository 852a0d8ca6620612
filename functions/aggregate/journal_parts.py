"""The stores that aggregate keeps and applies journals with, over one engine."""

from __future__ import annotations

from tallygate.operations.append import JournalParts
from tallygate.storage.cell_first_use import CellFirstUse
from tallygate.storage.engine import Engine
from tallygate.storage.journal import Journal
from tallygate.storage.rejections import Rejections
from tallygate.storage.rules import Rules
from tallygate.storage.totals import Totals


def journal_parts(engine: Engine) -> JournalParts:
    return JournalParts(
        journal=Journal(engine),
        totals=Totals(engine),
        rules=Rules(engine),
        first_uses=CellFirstUse(engine),
        rejections=Rejections(engine),
    )
