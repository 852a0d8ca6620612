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
from collections.abc import Iterable, Mapping

QUOTAS_PER_WRITE_MAX = 8
RATES_PER_WRITE_MAX = 8
"""An expression holds 4 KB and 300 operators."""
ROLLING_PER_FEATURE_MAX = 2
"""Of its quotas: what rolls states fourteen counters in the condition."""
WINDOWS_PER_CELL_MAX = 32
"""The counters of so many windows still fit the write unit that a cell of up to 1 KB costs, or a second one."""

Scope = Mapping[str, str]
Sized = tuple[Scope, int, int]
"""A limit's scope, and how many quotas and rates it has."""


def governs(scope: Scope, dimensions: Mapping[str, str]) -> bool:
    """Whether a limit over the scope governs a request with these dimensions."""
    return all(dimensions.get(name) == value for name, value in scope.items())


def scope_text(scope: Scope) -> str:
    """A scope in the one form that names its counters."""
    return json.dumps(dict(scope), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def crowded(limits: Iterable[Sized]) -> str | None:
    """Why the limits of one feature are more than a cell can hold or a write can state; None: they are not.

    Counted for the request that meets the most of them: of each set of dimensions the value with the most windows.
    """
    listed = list(limits)
    of_quotas = [(scope, quotas) for scope, quotas, _ in listed]
    of_rates = [(scope, rates) for scope, _, rates in listed]
    for kind, sized, most in (("quotas", of_quotas, QUOTAS_PER_WRITE_MAX), ("rates", of_rates, RATES_PER_WRITE_MAX)):
        together = _together(sized)
        if together > most:
            return f"{together} {kind} for one request; at most {most} can be held together"
    windows = sum(quotas + rates for _, quotas, rates in listed)
    if windows > WINDOWS_PER_CELL_MAX:
        return f"{windows} windows over all scopes; at most {WINDOWS_PER_CELL_MAX} are counted for one feature"
    return None


def _together(sized: list[tuple[Scope, int]]) -> int:
    by_value: dict[tuple[str, ...], dict[str, int]] = {}
    for scope, size in sized:
        values = by_value.setdefault(tuple(sorted(scope)), {})
        text = scope_text(scope)
        values[text] = values.get(text, 0) + size
    return sum(max(values.values()) for values in by_value.values())
