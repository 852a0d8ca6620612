"""Dimensions of a request: which names a feature's meter declares, and which of them the feature requires.

A request that misspells a dimension, or leaves out one that a limit looks at, would be governed by no limit over that
dimension. So a name that the meter does not declare is refused, and so is a request without a required one. Where
nothing is counted (boolean and config features) no limit can have a scope, and any name may be given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

API_KEY = "api_key"
"""The dimension that the credential fills in; no meter has to declare it."""
UNKNOWN, REQUIRED, MISSING = "unknown_dimension", "dimension_required", "dimension_missing"
NAMES_SHOWN_MAX = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredDimensions:
    """What a feature says of the dimensions of its requests.

    names: declared by its meter; None: no meter counts the feature
    required: those of them that every request must give
    """

    names: frozenset[str] | None = None
    required: tuple[str, ...] = ()

    def broken_by(self, given: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
        """The rules that a request with these dimensions breaks: name, code, detail of each."""
        if self.names is None:
            return ()
        unknown = [
            (name, UNKNOWN, f"is not a dimension of the feature's meter, which has {_listed(self.names)}")
            for name in given
            if name not in self.names and name != API_KEY
        ]
        missing = [(name, REQUIRED, "is required by the feature") for name in self.required if name not in given]
        return (*unknown, *missing)


def _listed(names: frozenset[str]) -> str:
    if not names:
        return "none"
    shown = sorted(names)[:NAMES_SHOWN_MAX]
    return ", ".join(shown) + (" and others" if len(names) > len(shown) else "")
