"""Cell facts: the facts announced by writes to cells.

    denied    the first denial of a limit in a window       usage.denied
    suspend   usage was suspended                           entitlement.suspended
    resume    a suspension ended                            entitlement.resumed
    adjust    a window's limit was adjusted manually        quota.adjusted

Only the stream record of the write contains such a fact. The fact's id derives from the cell's revision. A repeated
stream record therefore gives the same id, and the fact is found to exist already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tallygate.domain.admission.tier_suspensions import suspended_because
from tallygate.domain.base.instants import Instant, format_instant
from tallygate.domain.entries.fact_types import SUSPENDED
from tallygate.domain.entries.moves import CellFact
from tallygate.domain.facts.audits import SUSPENDED_BY_TIER, Audit
from tallygate.domain.facts.facts import Announcement, about, fact_id, period, upgrade
from tallygate.domain.limits.governing import Governed, governed_of
from tallygate.domain.limits.limits import Effective
from tallygate.domain.limits.suspensions import TIER


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A fact from one write to a cell. `revision`: the cell's revision after the write."""

    customer: str
    feature: str
    revision: int
    time: Instant
    fact: CellFact
    traceparent: str | None = None


def audited(note: Note, fact_id: str) -> Audit | None:
    """Return the audit entry for the note's fact. Only suspensions by a tier have one; else None."""
    fact = note.fact
    if fact.type != SUSPENDED:
        return None
    assert fact.limit_name is not None, "a suspension by a tier is one of a limit"
    return Audit(
        id=fact_id,
        customer=note.customer,
        at=note.time,
        action=SUSPENDED_BY_TIER,
        actor=TIER,
        key_id=None,
        reason=suspended_because(fact.level, fact.limit_name),
        feature=note.feature,
        about={"scope": dict(fact.scope or {}), "limit_name": fact.limit_name, "level": fact.level},
        after={"since": format_instant(note.time), "until": fact.data["until"]},
    )


def announcement(note: Note, effective: Effective | None, upgrades: Mapping[str, Decimal | None]) -> Announcement:
    """Return the announcement of a note. Plan and upgrade are as of now; everything else is as of the write."""
    fact, governed = note.fact, _governed(note, effective, upgrades)
    offered = upgrade(governed) if fact.offers_upgrade else {}
    return Announcement(
        id=fact_id(note.customer, note.feature, fact.type, note.revision),
        type=fact.type,
        customer=note.customer,
        feature=note.feature,
        level=fact.level,
        data={**_about(note, governed), **fact.data, **offered},
    )


def _governed(note: Note, effective: Effective | None, upgrades: Mapping[str, Decimal | None]) -> Governed:
    """Return the limit in force that the note names; else the feature's own limit; else only the names."""
    limits, window = governed_of(effective, upgrades), note.fact.window
    if window is not None and window.ordinal in limits:
        return limits[window.ordinal]
    entitlement = effective.entitlements.get(note.feature) if effective is not None else None
    if entitlement is not None:
        return limits[entitlement.quota.ordinal]
    return Governed(feature=note.feature, meter="", name=note.feature)


def _about(note: Note, governed: Governed) -> dict[str, Any]:
    """Return the fields common to all facts of a note."""
    fact, said = note.fact, {**about(note.customer, governed), "feature": note.feature}
    if fact.window is None:
        return said
    scope = fact.scope
    if scope is None:
        scope = governed.scope if governed.name == fact.limit_name else {}
    return {
        **said,
        "limit_name": fact.limit_name,
        "scope": dict(scope),
        "period": period(fact.window.start, fact.window.end),
    }
