"""Probes: put by a health check, marked with `seen_at` by the stream's reader, and dropped by the check.

PROBE    <id>   sent_at, seen_at?, expires_at
HEALTH   fold   claimed_at: when the newest measurement began; as_of, lag_ms (-1: too long): the newest result
"""

from __future__ import annotations

from decimal import Decimal

from tallygate.domain.base.instants import HOUR, SECOND, Instant
from tallygate.operations.journal.ports import FoldLag
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Delete, Engine, Put, Update, Written
from tallygate.storage.base.expressions import Absent, Any, Compare, Set

SEEN_AT = "seen_at"
CLAIMED_AT, AS_OF, LAG = "claimed_at", "as_of", "lag_ms"
_TOO_LONG = -1
KEPT = HOUR
"""TTL removes a probe whose sender died."""


class Probes:
    """Sends, reads and removes probes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def send(self, probe: str, now: Instant) -> None:
        item = {"sent_at": now, "expires_at": (now + KEPT) // SECOND}
        self._engine.write(Put(key=keys.probe(probe), item=dict(item)), repeatable=True)

    def seen(self, probe: str) -> bool:
        return SEEN_AT in (self._engine.get(keys.probe(probe)) or {})

    def drop(self, probe: str) -> None:
        self._engine.write(Delete(key=keys.probe(probe)), repeatable=True)

    def result(self) -> FoldLag | None:
        item = self._engine.get(keys.health()) or {}
        lag, as_of = item.get(LAG), item.get(AS_OF)
        if not (isinstance(lag, Decimal) and isinstance(as_of, Decimal)):
            return None
        return FoldLag(lag_ms=None if lag == _TOO_LONG else int(lag), as_of=int(as_of))

    def claim_result(self, wall: Instant, *, over: Instant) -> bool:
        """Claim the measurement for the caller. False: another one began after `over`. One request.

        A claim repeated after an unknown outcome may be refused by its own first application. Then no container
        measures until the next claim.
        """
        unclaimed = Any((Absent(CLAIMED_AT), Compare(CLAIMED_AT, "<=", over)))
        claim = Update(key=keys.health(), changes=(Set(CLAIMED_AT, wall),), condition=unclaimed)
        return isinstance(self._engine.write(claim, repeatable=True), Written)

    def keep_result(self, found: FoldLag) -> None:
        lag = _TOO_LONG if found.lag_ms is None else found.lag_ms
        self._engine.write(Update(key=keys.health(), changes=(Set(LAG, lag), Set(AS_OF, found.as_of))), repeatable=True)
