"""Scopes: which requests a limit governs, by dimension values, and how many windows one cell can hold of them.

    {}                               every request on the feature
    {"model": "large"}               those whose dimension model is large
    {"model": "large", "team": "a"}  those where both are so

A request without one of the dimensions is governed by no limit that asks for it. Two scopes can govern one request
exactly where they agree on the dimensions that both name; so of the scopes over one set of dimensions at most one does.
All of a feature's limits share a cell, and those that govern a request share the condition of its one write.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tallygate.domain.tiers import Tier, tier_rates
from tallygate.domain.weights import ALWAYS, OPERATORS_MAX, SIZE_MAX, Weight, weight_of

QUOTAS_PER_WRITE_MAX = 8
RATES_PER_WRITE_MAX = 8
"""So many plain ones fit one expression together; see `domain.weights` for what else does."""
ROLLING_PER_FEATURE_MAX = 2
"""Of its quotas: what rolls keeps fourteen counters in the cell."""
WINDOWS_PER_CELL_MAX = 32
"""The counters of so many windows still fit the write unit that a cell of up to 1 KB costs, or a second one."""

Scope = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """What there is to count of a limit: quotas, those of them that roll, or begin with their first use; its own rates;
    what its tiers ask for."""

    scope: Scope = field(default_factory=dict)
    quotas: int = 0
    rolling: int = 0
    from_first_use: int = 0
    rates: int = 0
    tiers: tuple[Tier, ...] = ()
    carries: bool = False

    @property
    def all_rates(self) -> int:
        """Its rates, and those of its tiers: a counter each."""
        return self.rates + len(tier_rates(self.tiers))

    @property
    def weight(self) -> Weight:
        """What it takes of a write's condition."""
        return weight_of(
            quotas=self.quotas,
            rolling=self.rolling,
            from_first_use=self.from_first_use,
            rates=self.rates,
            tiers=self.tiers,
            scoped=bool(self.scope),
            carries=self.carries,
        )


def governs(scope: Scope, dimensions: Mapping[str, str]) -> bool:
    """Whether a limit over the scope governs a request with these dimensions."""
    return all(dimensions.get(name) == value for name, value in scope.items())


def scope_text(scope: Scope) -> str:
    """A scope in the one form that names its counters."""
    return json.dumps(dict(scope), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def crowded(limits: Iterable[Sized]) -> str | None:
    """Why the limits of one feature are more than a cell can hold or a write can state; None: they are not.

    Counted for the request that meets the most of them: of each set of dimensions the value with the most windows, and
    the heaviest.
    """
    listed = list(limits)
    of_quotas = [(limit.scope, limit.quotas) for limit in listed]
    of_rates = [(limit.scope, limit.all_rates) for limit in listed]
    for kind, sized, most in (("quotas", of_quotas, QUOTAS_PER_WRITE_MAX), ("rates", of_rates, RATES_PER_WRITE_MAX)):
        together = _together(sized)
        if together > most:
            return f"{together} {kind} for one request; at most {most} can be held together"
    windows = sum(limit.quotas + limit.all_rates for limit in listed)
    if windows > WINDOWS_PER_CELL_MAX:
        return f"{windows} windows over all scopes; at most {WINDOWS_PER_CELL_MAX} are counted for one feature"
    rolling = sum(limit.rolling for limit in listed)
    if rolling > ROLLING_PER_FEATURE_MAX:
        return f"{rolling} rolling periods; at most {ROLLING_PER_FEATURE_MAX} can be held"
    size = ALWAYS.size + _together([(limit.scope, limit.weight.size) for limit in listed])
    operators = ALWAYS.operators + _together([(limit.scope, limit.weight.operators) for limit in listed])
    if Weight(size, operators).fits:
        return None
    return (
        f"a condition of {operators} operators and {size} bytes for one request; at most {OPERATORS_MAX} and {SIZE_MAX}"
        " can be stated: give it fewer windows, rates or tiers that do more than notify"
    )


def _together(sized: Sequence[tuple[Scope, int]]) -> int:
    by_value: dict[tuple[str, ...], dict[str, int]] = {}
    for scope, size in sized:
        values = by_value.setdefault(tuple(sorted(scope)), {})
        text = scope_text(scope)
        values[text] = values.get(text, 0) + size
    return sum(max(values.values()) for values in by_value.values())
