"""Path, query and headers of a request. A route refuses parameters and conditions that it would ignore.

    path       names and identifiers, with the same rules as in a body
    query      declared by the route's row; undeclared and repeated parameters are refused
                   text, count, time     read by the route's own contract, which knows its form
                   switch   1, true, yes or 0, false, no; a misspelt switch is refused instead of acting
                   name, identifier     with the same rules as in a body or a path
    headers    Accept       answers are JSON, problems problem+json; a header that excludes JSON is refused
               If-Match     honoured by conditional routes; refused on other writes, which would ignore it
               If-None-Match, If-Modified-Since, If-Unmodified-Since      refused on writes; no route honours them

On reads, conditions are ignored, because the full answer is always correct. `Prefer` is a wish and may be ignored.
These rules are checked before the route runs, so a request that breaks one has no effect.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from tallygate.contracts.base.parameters import ON, PATH, Parameter, Query
from tallygate.contracts.base.routes import Row
from tallygate.domain.base.closest import did_you_mean
from tallygate.errors import FieldError

TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_FAMILY = re.compile(r"(\w+)\[([^\]]{1,64})\]")
_RANGES = ("*/*", "application/*", "application/json", "application/problem+json")
_WRITES = ("PUT", "POST", "PATCH", "DELETE")
_CONDITIONS = ("if-none-match", "if-modified-since", "if-unmodified-since")


def broken_path(parameters: Mapping[str, str]) -> Iterator[FieldError]:
    """Return every rule that the parameters of a path break."""
    for name, value in parameters.items():
        if name in PATH and (found := PATH[name].broken(value)):
            yield FieldError(pointer=f"{{{name}}}", code=found[0], detail=found[1])


def broken_query(declared: Query, query: Mapping[str, str], repeated: Collection[str]) -> tuple[FieldError, ...]:
    """Return every rule that a query breaks: undeclared parameters, repeated ones, and values of the wrong kind.

    repeated: the names of parameters given more than once
    """
    return tuple(_broken(declared, query, repeated))


def _broken(declared: Query, query: Mapping[str, str], repeated: Collection[str]) -> Iterator[FieldError]:
    for name, value in query.items():
        parameter = declared.get(name) or _of_family(declared, name)
        if parameter is None:
            yield parameter_error(name, "unknown_field", f"is not a parameter of this request{_known(declared, name)}")
        elif name in repeated:
            yield parameter_error(name, "repeated", "must be given once")
        elif found := parameter.broken(value):
            yield parameter_error(name, *found)


def _known(declared: Query, name: str) -> str:
    """Return the parameters that the caller may have meant."""
    if not declared:
        return ", which has none"
    return did_you_mean(name, declared) or f"; its parameters are {', '.join(declared)}"


def _of_family(declared: Query, name: str) -> Parameter | None:
    """Return the declaration `filter[dimension]` for a parameter like `filter[model]`."""
    family = _FAMILY.fullmatch(name)
    return next((p for known, p in declared.items() if family and known.startswith(f"{family[1]}[")), None)


def parameter_error(name: str, code: str, detail: str) -> FieldError:
    """Return the error of a broken rule of a query parameter."""
    return FieldError(pointer=f"?{name}".encode("utf-8", "backslashreplace").decode(), code=code, detail=detail)


def switched_on(query: Mapping[str, str], name: str) -> bool:
    """Return whether a valid switch is on."""
    return query.get(name) in ON


def acceptable(accept: str | None) -> bool:
    """Return whether the Accept header allows JSON (RFC 9110: without the header, anything is accepted)."""
    if accept is None or accept.strip() in ("", *_RANGES):
        return True
    return any(_takes_json(part) for part in accept.split(","))


def _takes_json(part: str) -> bool:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weights = [piece[2:].strip() for piece in parameters if piece.startswith("q=")]
    refused = any(weight.strip("0.") == "" for weight in weights)
    return media in _RANGES and not refused


def broken_conditions(row: Row, headers: Mapping[str, str]) -> tuple[FieldError, ...]:
    """Return an error for each condition that the route would ignore. Header names are lower case."""
    sent = [name for name in ("if-match", *_CONDITIONS) if name in headers]
    if not sent or row.method not in _WRITES:
        return ()
    detail = "is not available on this route, which would ignore the condition: leave it out"
    if row.conditional:
        detail += ', or send If-Match, like "7"'
    ignored = [name for name in sent if not (row.conditional and name == "if-match")]
    return tuple(FieldError(pointer=f"!{name}", code="not_available", detail=detail) for name in ignored)
