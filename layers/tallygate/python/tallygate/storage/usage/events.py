"""Reads for the list of events: a customer's journal, and its rejections."""

from __future__ import annotations

from tallygate.domain.base.instants import Instant
from tallygate.domain.metering.rejections import Rejection
from tallygate.operations.journal.ports import KeptRecord
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Engine
from tallygate.storage.journal.decisions import Decisions
from tallygate.storage.metering.rejections import Rejections


class EventLog:
    """Every method is at most one request."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._decisions, self._rejections = Decisions(engine), Rejections(engine)

    def knows_customer(self, customer: str) -> bool:
        return self._engine.get(keys.profile(customer)) is not None

    def records_before(self, customer: str, before: int, *, limit: int) -> tuple[KeptRecord, ...]:
        return self._decisions.newest(customer, before=before, limit=limit)

    def rejections_before(
        self, owner: str, before: str, *, limit: int
    ) -> tuple[tuple[tuple[str, Rejection], ...], bool]:
        return self._rejections.newest(owner, before=before, limit=limit)

    def rejections_upto(self, end: Instant) -> str:
        return keys.rejections_after(end)
