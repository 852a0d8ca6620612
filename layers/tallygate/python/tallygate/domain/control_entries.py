"""Journal entries of writes that the control plane makes to a cell; for the others and their names see `entries`.

k   kind: resume (a suspension that a tier began is lifted)      c, f   customer, feature      t   instant
          reset (usage is taken out of what is held against limits)
by  operator or top_up     ac  actor       rs  reason            sc     the scope, where not all of the feature was
wv  of a resume: [ordinal, start, end, limit, scope, levels] of each window in which levels are waived from then on
of a reset: i its id, m the meter, at as of when, w   [ordinal, start, end, amount taken out] of each window,
and the part of it that had followed from other windows
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tallygate.domain.entries import Entry
from tallygate.domain.instants import Instant
from tallygate.domain.journal import CountedWindow
from tallygate.domain.quantities import plain
from tallygate.domain.scopes import Scope
from tallygate.domain.suspensions import OPERATOR
from tallygate.domain.tier_suspensions import Waiver


def resume_entry(
    *,
    customer: str,
    feature: str,
    now: Instant,
    actor: str | None = None,
    reason: str | None = None,
    scope: Scope | None = None,
    waivers: Sequence[Waiver] = (),
) -> Entry:
    """The entry of a write that lifted what a tier had suspended."""
    entry: Entry = {"k": "resume", "c": customer, "f": feature, "t": now, "by": OPERATOR}
    if actor is not None:
        entry["ac"] = actor
    if reason is not None:
        entry["rs"] = reason
    if scope:
        entry["sc"] = dict(scope)
    if waivers:
        entry["wv"] = [[*w.counter, w.until, w.name, dict(w.scope), sorted(w.levels)] for w in waivers]
    return entry


def reset_entry(
    *,
    reset_id: str,
    customer: str,
    feature: str,
    meter: str,
    taken: Sequence[tuple[CountedWindow, Decimal, Decimal]],
    effective_at: Instant,
    actor: str,
    reason: str,
    now: Instant,
) -> Entry:
    """The entry of a write that took usage before an instant out of what counts against limits."""
    return {
        "k": "reset",
        "i": reset_id,
        "c": customer,
        "f": feature,
        "m": meter,
        "w": [[*window, plain(amount), *([plain(part)] if part else [])] for window, amount, part in taken],
        "at": effective_at,
        "ac": actor,
        "rs": reason,
        "t": now,
    }
