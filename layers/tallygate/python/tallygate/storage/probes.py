"""Probes: put by who asks how far the stream's reader is, marked by it with `seen_at`, dropped by who put them."""

from __future__ import annotations

from tallygate.domain.instants import HOUR, SECOND, Instant
from tallygate.storage import keys
from tallygate.storage.engine import Delete, Engine, Put

SEEN_AT = "seen_at"
KEPT = HOUR
"""A probe whose sender died is removed by the table."""


class Probes:
    """Sends probes and looks after them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def send(self, probe: str, now: Instant) -> None:
        """Put a probe into the stream. One request."""
        item = {"sent_at": now, "expires_at": (now + KEPT) // SECOND}
        self._engine.write(Put(key=keys.probe(probe), item=dict(item)), repeatable=True)

    def seen(self, probe: str) -> bool:
        """Whether the stream's reader has come past the probe, consistent. One request."""
        return SEEN_AT in (self._engine.get(keys.probe(probe)) or {})

    def drop(self, probe: str) -> None:
        """Remove a probe. One request."""
        self._engine.write(Delete(key=keys.probe(probe)), repeatable=True)
