"""Path, query and headers of a request. A route refuses parameters and conditions that it would ignore.

    path       names and identifiers, with the same rules as in a body
    query      declared for each route; undeclared and repeated parameters are refused
                   text     read by the route's own contract, which knows its form
                   switch   1, true, yes or 0, false, no; a misspelt switch is refused instead of acting
                   name, identifier     with the same rules as in a body or a path
    headers    Accept       answers are JSON, problems problem+json; a header that excludes JSON is refused
               If-Match     honoured by the routes in CONDITIONAL; refused on other writes, which would ignore it
               If-None-Match, If-Modified-Since, If-Unmodified-Since      refused on writes; no route honours them

On reads, conditions are ignored, because the full answer is always correct. `Prefer` is a wish and may be ignored.
These rules are checked before the route runs, so a request that breaks one has no effect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tallygate.contracts.base.names import IDENTIFIER_LENGTH_MAX, NAME_LENGTH_MAX, Rule, broken_identifier, broken_name
from tallygate.errors import FieldError

ON, OFF = ("1", "true", "yes"), ("0", "false", "no")
TEXT, SWITCH, NAME, IDENTIFIER = "text", "switch", "name", "identifier"
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_FAMILY = re.compile(r"(\w+)\[([^\]]{1,64})\]")
_RANGES = ("*/*", "application/*", "application/json", "application/problem+json")
_WRITES = ("PUT", "POST", "PATCH", "DELETE")
_CONDITIONS = ("if-none-match", "if-modified-since", "if-unmodified-since")


def _misspelt(value: str) -> Rule | None:
    return None if value in (*ON, *OFF) else ("not_allowed", f"must be one of {', '.join((*ON, *OFF))}")


_KINDS: Mapping[str, tuple[dict[str, Any], Callable[[str], Rule | None]]] = {
    TEXT: ({}, lambda _: None),
    SWITCH: ({"enum": [*ON, *OFF]}, _misspelt),
    NAME: ({"minLength": 1, "maxLength": NAME_LENGTH_MAX}, broken_name),
    IDENTIFIER: ({"minLength": 1, "maxLength": IDENTIFIER_LENGTH_MAX}, broken_identifier),
}
"""The JSON schema and the rule of each kind of parameter."""
PATH: Mapping[str, Callable[[str], Rule | None]] = {
    **dict.fromkeys(("customer", "feature", "name"), broken_name),
    **dict.fromkeys(("key", "endpoint"), broken_identifier),
}
"""The rule of each path parameter. The form of a decision id is checked by its operation."""
CONDITIONAL = frozenset(
    (
        "PUT /v1/catalog",
        "PUT /v1/customers/{customer}",
        "PUT /v1/customers/{customer}/subscription",
        "DELETE /v1/customers/{customer}/subscription",
        "PUT /v1/customers/{customer}/limits/{name}",
        "DELETE /v1/customers/{customer}/limits/{name}",
    )
)
"""The routes that honour If-Match."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """The description and kind of a query parameter. The declaration `filter[dimension]` accepts any dimension."""

    text: str
    kind: str = TEXT

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the parameter's values."""
        return {"type": "string", **_KINDS[self.kind][0]}

    def broken(self, value: str) -> Rule | None:
        """Return the rule that the value breaks; None: none."""
        return _KINDS[self.kind][1](value)


Query = Mapping[str, Parameter]
PAGE: Query = {
    "limit": Parameter("Maximum number of entries in the answer, 1 to 100; default 20."),
    "cursor": Parameter("The next_cursor of the previous page."),
}
_AS_STATUS: Query = {"http_status": Parameter("Answer a denial with 429, 402 or 403 instead of 200.", SWITCH)}

QUERIES: Mapping[str, Query] = {
    "POST /v1/check": _AS_STATUS,
    "POST /v1/consume": _AS_STATUS,
    "PUT /v1/catalog": {"dry_run": Parameter("List the changes and write nothing.", SWITCH)},
    "GET /v1/customers/{customer}/adjustments": {
        "feature": Parameter("Only adjustments of this feature.", NAME),
        **PAGE,
    },
    "GET /v1/customers/{customer}/entitlements": PAGE,
    "GET /v1/customers/{customer}/limits": PAGE,
    "GET /v1/customers/{customer}/limits/{name}/impact": {
        "from": Parameter("Only windows that end after this time (RFC 3339 or a date); default 30 days before `to`."),
        "to": Parameter("Only windows that begin before this time (RFC 3339 or a date); default now."),
    },
    "GET /v1/customers/{customer}/periods": {
        "feature": Parameter("Only periods of this feature.", NAME),
        "limit": Parameter(
            "Only periods of this limit; by default those of the entitlements' own quotas, which are billed. If the "
            "value is a number and no limit has this name, it is read as page_size.",
            NAME,
        ),
        "page_size": PAGE["limit"],
        "cursor": PAGE["cursor"],
    },
    "GET /v1/events": {
        "customer": Parameter(
            "The customer of the events. Without it: rejected events without a known customer.", NAME
        ),
        "from": Parameter("Only events received at or after this time (RFC 3339 or a date); default 35 days ago."),
        "to": Parameter(
            "Only events received before this time (RFC 3339 or a date); default now. Without `to`, the list includes "
            "events that were counted more than 15 minutes after their receipt."
        ),
        "status": Parameter("Only events with this status: accepted, rejected or conflict."),
        "type": Parameter("Only events of this type.", IDENTIFIER),
        "id": Parameter("Only events with this id.", IDENTIFIER),
        **PAGE,
    },
    "GET /v1/keys": PAGE,
    "GET /v1/audit": {
        "customer": Parameter("The customer whose entries to list; without it, entries of the stack.", NAME),
        **PAGE,
    },
    "GET /v1/webhook-endpoints": PAGE,
    "GET /v1/webhook-endpoints/{endpoint}/deliveries": PAGE,
    "GET /v1/health": {"deep": Parameter("Send a probe through the stream and measure its latency.", SWITCH)},
    "GET /v1/usage": {
        "customer": Parameter("The customer.", NAME),
        "feature": Parameter("The feature. Give either feature or meter.", NAME),
        "meter": Parameter("The meter. Give either feature or meter.", NAME),
        "from": Parameter("Start (RFC 3339, or a date in `tz`); default: the start of the current month."),
        "to": Parameter("End, exclusive (RFC 3339, or a date in `tz`); default: now."),
        "window": Parameter("hour, day, week, month or none (one sum); default none."),
        "tz": Parameter("Time zone of the windows; default UTC."),
        "group_by": Parameter("Dimensions, separated by commas."),
        "filter[dimension]": Parameter("Only usage with this value of the dimension.", IDENTIFIER),
    },
}
"""The query parameters of each route. A route that is not listed has none."""


def broken_path(parameters: Mapping[str, str]) -> Iterator[FieldError]:
    """Return every rule that the parameters of a path break."""
    for name, value in parameters.items():
        if name in PATH and (found := PATH[name](value)):
            yield FieldError(pointer=f"{{{name}}}", code=found[0], detail=found[1])


def broken_query(route: str, query: Mapping[str, str], repeated: Collection[str]) -> tuple[FieldError, ...]:
    """Return every rule that a query breaks: undeclared parameters, repeated ones, and values of the wrong kind.

    repeated: the names of parameters given more than once
    """
    return tuple(_broken(QUERIES.get(route, {}), query, repeated))


def _broken(declared: Query, query: Mapping[str, str], repeated: Collection[str]) -> Iterator[FieldError]:
    for name, value in query.items():
        parameter = declared.get(name) or _of_family(declared, name)
        if parameter is None:
            yield parameter_error(name, "unknown_field", "is not a parameter of this request")
        elif name in repeated:
            yield parameter_error(name, "repeated", "must be given once")
        elif found := parameter.broken(value):
            yield parameter_error(name, *found)


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


def broken_conditions(route: str, headers: Mapping[str, str]) -> tuple[FieldError, ...]:
    """Return an error for each condition that the route would ignore. Header names are lower case."""
    if not route.startswith(_WRITES):
        return ()
    detail = "is not available on this route, which would ignore the condition"
    ignored = _CONDITIONS if route in CONDITIONAL else ("if-match", *_CONDITIONS)
    return tuple(
        FieldError(pointer=f"!{name}", code="not_available", detail=detail) for name in ignored if name in headers
    )
