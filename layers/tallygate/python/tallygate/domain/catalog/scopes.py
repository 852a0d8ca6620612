"""Scopes: which requests a limit governs, by dimension values.

    {}                               every request on the feature
    {"model": "large"}               those whose dimension model is large
    {"model": "large", "team": "a"}  those where both are so

A request without one of the dimensions is governed by no limit that asks for it. Two scopes can govern one request
exactly where they agree on the dimensions that both name; so of the scopes over one set of dimensions at most one does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

Scope = Mapping[str, str]


def governs(scope: Scope, dimensions: Mapping[str, str]) -> bool:
    """Whether a limit over the scope governs a request with these dimensions."""
    return all(dimensions.get(name) == value for name, value in scope.items())


def scope_text(scope: Scope) -> str:
    """A scope in the one form that names its counters."""
    return json.dumps(dict(scope), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
