"""Notes: what a write to a cell did beside counting, and the fact that each of them makes known.

    denied    the first denial of a limit in a window       usage.denied
    suspend   usage was suspended                           entitlement.suspended
    resume    a suspension ended                            entitlement.resumed
    adjust    a window's limit was adjusted by hand         quota.adjusted

The stream record of the write is the only place where they are. A fact's id is made from the cell's revision, so a
record that is seen again makes the same fact, and finds it there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, assert_never

from tallygate.domain.audits import SUSPENDED_BY_TIER, Audit
from tallygate.domain.facts import Announcement, fact_id, period, upgrade
from tallygate.domain.fold import governed_of
from tallygate.domain.instants import Instant, format_instant
from tallygate.domain.journal import CountedWindow, Governed
from tallygate.domain.limits import Effective
from tallygate.domain.quantities import format_quantity
from tallygate.domain.scopes import Scope
from tallygate.domain.suspensions import TIER
from tallygate.domain.tier_suspensions import Waiver, suspended_because, waived_form

DENIED, SUSPENDED = "usage.denied", "entitlement.suspended"
RESUMED, ADJUSTED = "entitlement.resumed", "quota.adjusted"
RESUME, TOP_UP = "resume", "top_up"
"""What ends a suspension by a tier before its time."""
UNCHANGED = ""
"""The level of a fact that says nothing of the feature's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """The first denial of a quota in a window, or of a rate (`kind`) in an hour. `used` and `limit` are as it was."""

    name: str
    window: CountedWindow
    kind: str
    requested: Decimal
    used: Decimal
    limit: Decimal
    level: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """Usage suspended over a scope, by a limit's tier; `until` None: until somebody resumes it, or a top-up."""

    name: str
    window: CountedWindow
    scope: Scope
    used: Decimal
    limit: Decimal
    level: str
    until: Instant | None
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A suspension by a tier ended before its time: all of the feature's, or those over exactly the scope.

    `cause` is what ended it: a resume, which waives levels until their windows end, or a top-up, which waives nothing.
    """

    by: str
    cause: str = RESUME
    scope: Scope = field(default_factory=dict)
    actor: str | None = None
    reason: str | None = None
    waivers: tuple[Waiver, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """A window's limit adjusted by hand; the parts of the limit are as they were after it."""

    id: str
    name: str
    window: CountedWindow
    amount: Decimal
    reason: str
    actor: str
    category: str | None
    base: Decimal | None
    carried: Decimal
    adjusted: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What one write did to the cell of a customer's feature, as of the cell's revision."""

    customer: str
    feature: str
    revision: int
    time: Instant
    what: Denied | Suspended | Resumed | Adjusted
    traceparent: str | None = None


def audited(note: Note, fact: str) -> Audit | None:
    """The entry of the audit trail that goes with the note's fact; None: nobody asks later who did it."""
    what = note.what
    if not isinstance(what, Suspended):
        return None
    until = None if what.until is None else format_instant(what.until)
    return Audit(
        id=fact,
        customer=note.customer,
        at=note.time,
        action=SUSPENDED_BY_TIER,
        actor=TIER,
        key_id=None,
        reason=suspended_because(what.level, what.name),
        feature=note.feature,
        about={"scope": dict(what.scope), "limit_name": what.name, "level": what.level},
        after={"since": format_instant(note.time), "until": until},
    )


def announcement(note: Note, effective: Effective | None, upgrades: Mapping[str, Decimal | None]) -> Announcement:
    """The fact to be. What the limits in force say of plan and upgrade is as of now; all else is the note's."""
    what, governed = note.what, _governed(note, effective, upgrades)
    about = _about(note, governed)
    match what:
        case Denied():
            kind, level = DENIED, what.level
            data = {"kind": what.kind, **_measured(what), "requested": format_quantity(what.requested)}
            data |= {"reason": what.reason, **upgrade(governed)}
        case Suspended():
            kind, level = SUSPENDED, what.level
            until = None if what.until is None else format_instant(what.until)
            data = {**_measured(what), "until": until, "by": what.by, **upgrade(governed)}
        case Resumed():
            kind, level = RESUMED, UNCHANGED
            data = {"scope": dict(what.scope), "by": what.by, "cause": what.cause, "actor": what.actor}
            data |= {"reason": what.reason, **waived_form(what.waivers)}
        case Adjusted():
            kind, level = ADJUSTED, UNCHANGED
            data = {"id": what.id, "amount": format_quantity(what.amount), "reason": what.reason}
            data |= {"actor": what.actor, "category": what.category, "breakdown": _breakdown(what)}
        case _:
            assert_never(what)
    return Announcement(
        id=fact_id(note.customer, note.feature, kind, note.revision),
        type=kind,
        customer=note.customer,
        feature=note.feature,
        level=level,
        data={**about, **data},
    )


def _governed(note: Note, effective: Effective | None, upgrades: Mapping[str, Decimal | None]) -> Governed:
    """The limit that the note names, as it is in force; else the feature's own, else nothing but names."""
    limits = governed_of(effective, upgrades)
    if not isinstance(note.what, Resumed) and note.what.window.ordinal in limits:
        return limits[note.what.window.ordinal]
    entitlement = effective.entitlements.get(note.feature) if effective is not None else None
    if entitlement is not None:
        return limits[entitlement.quota.ordinal]
    return Governed(feature=note.feature, meter="", name=note.feature)


def _about(note: Note, governed: Governed) -> dict[str, Any]:
    """What every fact of a note says of it."""
    about: dict[str, Any] = {"customer": note.customer}
    if governed.stripe_customer_id is not None:
        about["stripe_customer_id"] = governed.stripe_customer_id
    about |= {
        "feature": note.feature,
        "meter": governed.meter or None,
        "plan": governed.plan,
        "plan_version": governed.plan_version,
    }
    what = note.what
    if isinstance(what, Resumed):
        return about
    scope = what.scope if isinstance(what, Suspended) else governed.scope if governed.name == what.name else {}
    about |= {"limit_name": what.name, "scope": dict(scope)}
    return {**about, "period": period(what.window.start, what.window.end)}


def _measured(what: Denied | Suspended) -> dict[str, Any]:
    return {"level": what.level, "usage": format_quantity(what.used), "limit": format_quantity(what.limit)}


def _breakdown(what: Adjusted) -> dict[str, Any]:
    return {
        "base": None if what.base is None else format_quantity(what.base),
        "carried": format_quantity(what.carried),
        "adjusted": format_quantity(what.adjusted),
    }
