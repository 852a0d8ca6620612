"""Request headers that say what must hold or what is wanted: a route that cannot honour one refuses it.

    Accept          an answer is JSON (a problem: problem+json); what excludes that is refused
    If-Match        honoured by the routes of CONDITIONAL; elsewhere a write would ignore its condition
    If-None-Match, If-Modified-Since, If-Unmodified-Since      on a write: no route honours them

On a read the conditions may be ignored: the whole answer is always right. `Prefer` only ever asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tallygate.errors import FieldError

ANSWERED = ("application/json", "application/problem+json")
_RANGES = ("*/*", "application/*", *ANSWERED)
_WRITES = ("PUT", "POST", "PATCH", "DELETE")
_CONDITIONS = ("if-none-match", "if-modified-since", "if-unmodified-since")
CONDITIONAL = frozenset(
    f"{method} {path}"
    for path, methods in {
        "/v1/catalog": ("PUT",),
        "/v1/customers/{customer}": ("PUT",),
        "/v1/customers/{customer}/subscription": ("PUT", "DELETE"),
        "/v1/customers/{customer}/limits/{name}": ("PUT", "DELETE"),
    }.items()
    for method in methods
)
"""The routes that honour If-Match."""


def acceptable(accept: str | None) -> bool:
    """Whether the Accept header lets an answer be JSON (RFC 9110: no header accepts anything)."""
    if accept is None or not accept.strip():
        return True
    return any(_takes_json(part) for part in accept.split(","))


def _takes_json(part: str) -> bool:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weights = [piece[2:].strip() for piece in parameters if piece.startswith("q=")]
    refused = any(weight.strip("0.") == "" for weight in weights)
    return media in _RANGES and not refused


def broken_conditions(route: str, headers: Mapping[str, str]) -> tuple[FieldError, ...]:
    """The conditions that the route would ignore; header names are lower case."""
    return tuple(_ignored(route, headers))


def _ignored(route: str, headers: Mapping[str, str]) -> Iterator[FieldError]:
    if not route.startswith(_WRITES):
        return
    ignored = _CONDITIONS if route in CONDITIONAL else ("if-match", *_CONDITIONS)
    for name in ignored:
        if name in headers:
            detail = "is not available on this route, which would act without it"
            yield FieldError(pointer=f"!{name}", code="not_available", detail=detail)
