"""The range of an event's time, relative to its receipt."""

from __future__ import annotations

from tallygate.domain.base.instants import DAY, MINUTE

LATENESS_MAX = 35 * DAY
"""The maximum age of an event. Identities are kept for longer than this, so no replay counts twice."""
FUTURE_MAX = 5 * MINUTE
"""How far a producer's clock may be ahead."""
