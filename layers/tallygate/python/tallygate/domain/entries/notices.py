"""Entries of writes that move no counter: first denials, suspensions by tiers, and what keeps a cell in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tallygate.domain.base.instants import Instant, format_instant
from tallygate.domain.base.quantities import format_quantity
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.entries.kind import CellKind, LimitKind
from tallygate.domain.entries.moves import CellFact
from tallygate.domain.limits.counters import CountedWindow, CounterName
from tallygate.domain.limits.suspensions import OPERATOR, TIER, Waiver, waived_form

DENIED, SUSPENDED, RESUMED = "usage.denied", "entitlement.suspended", "entitlement.resumed"
RESUME, TOP_UP = "resume", "top_up"
"""What ends a suspension by a tier before its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeniedEntry(LimitKind):
    """The first denial of a quota in a window, or of a rate (`limit_kind`) in an hour.

    used, limit: as they were
    """

    limit_kind: str
    requested: Decimal
    used: Decimal
    limit: Decimal
    level: str
    reason: str
    traceparent: str | None = None

    @property
    def facts(self) -> tuple[CellFact, ...]:
        data = {"kind": self.limit_kind, **_figures(self), "requested": format_quantity(self.requested)}
        return (
            CellFact(
                type=DENIED,
                level=self.level,
                limit_name=self.name,
                window=self.window,
                data={**data, "reason": self.reason},
                offers_upgrade=True,
            ),
        )

    @property
    def traced(self) -> str | None:
        return self.traceparent


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendEntry(LimitKind):
    """Usage was suspended over a scope, by a limit's tier.

    used, limit: as they were
    until: None: until somebody resumes it, or a top-up
    """

    scope: Scope = field(default_factory=dict)
    used: Decimal
    limit: Decimal
    level: str
    until: Instant | None

    @property
    def facts(self) -> tuple[CellFact, ...]:
        until = None if self.until is None else format_instant(self.until)
        return (
            CellFact(
                type=SUSPENDED,
                level=self.level,
                limit_name=self.name,
                window=self.window,
                scope=self.scope,
                data={**_figures(self), "until": until, "by": TIER},
                offers_upgrade=True,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeEntry(CellKind):
    """Suspensions by tiers were lifted: all of the feature's, or those over exactly the scope.

    waivers: levels that suspend no more until their windows end
    """

    scope: Scope = field(default_factory=dict)
    actor: str
    reason: str | None = None
    waivers: tuple[Waiver, ...] = ()

    @property
    def facts(self) -> tuple[CellFact, ...]:
        return (resumed(self.scope, RESUME, self.actor, self.reason, self.waivers),)


@dataclass(frozen=True, slots=True, kw_only=True)
class GraceEntry(CellKind):
    """The grace of a window began by usage that had happened."""

    counter: CounterName


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEntry(CellKind):
    """A window that begins with its first use was opened for usage by event."""

    window: CountedWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class BumpEntry(CellKind):
    """The cell learned of a version of the limits."""

    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TidyEntry(CellKind):
    """Windows were removed that had ended by the floor."""

    floor: Instant


def resumed(scope: Scope, cause: str, actor: str, reason: str | None, waivers: Sequence[Waiver] = ()) -> CellFact:
    """The fact that a suspension by a tier ended before its time."""
    data = {"scope": dict(scope), "by": OPERATOR, "cause": cause, "actor": actor, "reason": reason}
    return CellFact(type=RESUMED, data={**data, **waived_form(waivers)})


def _figures(entry: DeniedEntry | SuspendEntry) -> dict[str, Any]:
    return {"level": entry.level, "usage": format_quantity(entry.used), "limit": format_quantity(entry.limit)}
