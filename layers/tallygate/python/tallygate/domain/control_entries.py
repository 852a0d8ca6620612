"""Journal entries of writes that the control plane makes to a cell; for the others and their names see `entries`.

k   kind: resume (a suspension that a tier began is lifted)      c, f   customer, feature      t   instant
by  manual or top_up       ac  actor       rs  reason            sc     the scope, where not all of the feature was
"""

from __future__ import annotations

from tallygate.domain.entries import Entry
from tallygate.domain.instants import Instant
from tallygate.domain.scopes import Scope


def resume_entry(
    *,
    customer: str,
    feature: str,
    by: str,
    now: Instant,
    actor: str | None = None,
    reason: str | None = None,
    scope: Scope | None = None,
) -> Entry:
    """The entry of a write that lifted what a tier had suspended."""
    entry: Entry = {"k": "resume", "c": customer, "f": feature, "t": now, "by": by}
    if actor is not None:
        entry["ac"] = actor
    if reason is not None:
        entry["rs"] = reason
    if scope:
        entry["sc"] = dict(scope)
    return entry
