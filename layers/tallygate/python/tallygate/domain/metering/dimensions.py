"""Dimensions of a request: the names that a feature's meter declares, and those that the feature requires.

A limit with a scope would not apply to a request that misspells or omits the dimension of the scope. So a request is
refused if it names an undeclared dimension or omits a required one. Boolean and config features have no limits and
therefore no scopes; their requests may name any dimension.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tallygate.domain.base.closest import did_you_mean

API_KEY = "api_key"
"""The dimension that is set from the caller's credential. Meters need not declare it."""
UNKNOWN, REQUIRED, MISSING = "unknown_dimension", "dimension_required", "dimension_missing"
NAMES_SHOWN_MAX = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredDimensions:
    """The dimensions that requests for a feature may and must give.

    names: declared by the feature's meter; None: the feature has no meter
    required: the subset that every request must give
    """

    names: frozenset[str] | None = None
    required: tuple[str, ...] = ()

    def broken_by(self, given: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
        """Return the rules that a request with these dimensions breaks, as (dimension, code, detail)."""
        if self.names is None:
            return ()
        unknown = [
            (
                name,
                UNKNOWN,
                f"is not a dimension of the feature's meter{did_you_mean(name, self.names)}{_listed(self.names)}",
            )
            for name in given
            if name not in self.names and name != API_KEY
        ]
        missing = [
            (name, REQUIRED, "is required by the feature: send it in dimensions")
            for name in self.required
            if name not in given
        ]
        return (*unknown, *missing)


def _listed(names: frozenset[str]) -> str:
    if not names:
        return ", which has none"
    shown = sorted(names)[:NAMES_SHOWN_MAX]
    return "; declared are " + ", ".join(shown) + (" and others" if len(names) > len(shown) else "")
