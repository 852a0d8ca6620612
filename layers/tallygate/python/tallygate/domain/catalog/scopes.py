"""Scopes: which requests a limit governs, by dimension values.

    {}                               every request for the feature
    {"model": "large"}               requests with model=large
    {"model": "large", "team": "a"}  requests with model=large and team=a

A limit does not govern a request that lacks a dimension of its scope. Two scopes can govern the same request if they
agree on all dimensions that both name. So of the scopes over one set of dimensions, at most one governs a request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

Scope = Mapping[str, str]


def governs(scope: Scope, dimensions: Mapping[str, str]) -> bool:
    """Return whether a limit with this scope governs a request with these dimensions."""
    return all(dimensions.get(name) == value for name, value in scope.items())


def scope_text(scope: Scope) -> str:
    """Return the canonical text of a scope, which identifies its counters."""
    return json.dumps(dict(scope), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
