"""Entries of writes that move no counter: first denials, suspensions by tiers, and maintenance of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tallygate.domain.base.instants import Instant, format_instant
from tallygate.domain.base.quantities import format_quantity
from tallygate.domain.catalog.scopes import Scope
from tallygate.domain.entries.fact_types import DENIED, RESUMED, SUSPENDED
from tallygate.domain.entries.kind import CellKind, LimitKind
from tallygate.domain.entries.moves import CellFact
from tallygate.domain.limits.counters import CountedWindow, CounterName
from tallygate.domain.limits.suspensions import OPERATOR, TIER, Waiver, waived_form

RESUME, TOP_UP = "resume", "top_up"
"""Causes that end a suspension by a tier early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeniedEntry(LimitKind):
    """The first denial by a quota in a window, or by a rate in an hour.

    limit_kind: quota or rate
    used, limit: at the denial
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendEntry(LimitKind):
    """A tier of a limit suspended usage over a scope.

    used, limit: at the suspension
    until: end of the suspension; None: an operator's resume or a top-up ends it
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
    """An operator's resume lifted suspensions by tiers: all of the feature, or those over exactly the scope.

    waivers: levels that do not suspend again until their windows end
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
    """The grace of a window began because of usage by event, which has already happened."""

    counter: CounterName


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEntry(CellKind):
    """A first-use window was opened for usage by event."""

    window: CountedWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class BumpEntry(CellKind):
    """The cell received a new version of the limits."""

    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TidyEntry(CellKind):
    """Windows that had ended by the instant `floor` were removed."""

    floor: Instant


def resumed(scope: Scope, cause: str, actor: str, reason: str | None, waivers: Sequence[Waiver] = ()) -> CellFact:
    """The fact that a suspension by a tier ended early."""
    data = {"scope": dict(scope), "by": OPERATOR, "cause": cause, "actor": actor, "reason": reason}
    return CellFact(type=RESUMED, data={**data, **waived_form(waivers)})


def _figures(entry: DeniedEntry | SuspendEntry) -> dict[str, Any]:
    return {"level": entry.level, "usage": format_quantity(entry.used), "limit": format_quantity(entry.limit)}
