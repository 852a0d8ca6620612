"""Settlements: a granted consume corrected once, from what was estimated to what it came to.

    consume 1000 (an estimate) ──> granted ──> … the work … ──> settle 1310 (or 870, or 0)
    the decision's own windows      + 1000                       + 310 (− 130, − 1000)

It has happened, so an upward correction asks for no room; rates are not corrected, for their moment is over. The first
settlement stands: the same amount again is a repetition, another one a conflict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.events import LATENESS_MAX
from tallygate.domain.instants import Instant
from tallygate.domain.journal import Governed, UseEntry

SETTLED_WITHIN = LATENESS_MAX
"""A decision may be settled for as long as an event may be late. The journal and the receipt are kept for longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a decision was settled to: it was granted `granted` and counts `amount` since."""

    decision_id: str
    granted: Decimal
    amount: Decimal
    settled_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeDecision:
    """A decision: its entry, the limits it counted under by ordinal, its settlement if there is one.

    `folded` says whether it is in the journal, with `limits` as recorded; before that they are those in force.
    """

    decision_id: str
    customer: str
    use: UseEntry
    limits: Mapping[int, Governed]
    settlement: Settlement | None
    folded: bool
