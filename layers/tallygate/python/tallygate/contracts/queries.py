"""Query parameters: one declaration for each route. A route refuses every other parameter, and one that is given twice.

    text     read by the route's own contract, which knows its form
    switch   1, true, yes or 0, false, no; anything else is refused, so that a misspelt switch does not act
    name, identifier     by the same rules as in a body or a path

`broken_query` is asked before the route is: what is wrong with a query is known before anything is done.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from tallygate.contracts.identifiers import IDENTIFIER_LENGTH_MAX, NAME_LENGTH_MAX, broken_identifier, broken_name
from tallygate.domain.boundaries import midnight
from tallygate.domain.instants import Instant, parse_instant
from tallygate.errors import FieldError

EARLIEST = parse_instant("1971-01-01T00:00:00Z")
LATEST = parse_instant("9999-01-01T00:00:00Z")
ON, OFF = ("1", "true", "yes"), ("0", "false", "no")
TEXT, SWITCH, NAME, IDENTIFIER = "text", "switch", "name", "identifier"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BEFORE_ALL = date(1970, 1, 1)
"""Before EARLIEST in every zone; an older date would lie before the calendar in some."""
_FAMILY = re.compile(r"(\w+)\[([^\]]{1,64})\]")


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a parameter means, and its kind. One that is declared as `filter[dimension]` takes any dimension."""

    text: str
    kind: str = TEXT

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of its values."""
        match self.kind:
            case "switch":
                return {"type": "string", "enum": [*ON, *OFF]}
            case "name":
                return {"type": "string", "minLength": 1, "maxLength": NAME_LENGTH_MAX}
            case "identifier":
                return {"type": "string", "minLength": 1, "maxLength": IDENTIFIER_LENGTH_MAX}
        return {"type": "string"}

    def broken(self, value: str) -> tuple[str, str] | None:
        """The rule that the value breaks, its code first."""
        if self.kind == SWITCH and value not in (*ON, *OFF):
            return "not_allowed", f"must be one of {', '.join((*ON, *OFF))}"
        if self.kind == IDENTIFIER:
            return broken_identifier(value)
        return broken_name(value) if self.kind == NAME else None


Query = Mapping[str, Parameter]
PAGE: Query = {
    "limit": Parameter("How many entries to answer, 1 to 100; 20 by default."),
    "cursor": Parameter("The next_cursor of the page before."),
}
_AS_STATUS: Query = {"http_status": Parameter("Answer a denial with 429, 402 or 403 instead of 200.", SWITCH)}

QUERIES: Mapping[str, Query] = {
    "POST /v1/check": _AS_STATUS,
    "POST /v1/consume": _AS_STATUS,
    "PUT /v1/catalog": {"dry_run": Parameter("Say what would change, and write nothing.", SWITCH)},
    "GET /v1/customers/{customer}/adjustments": {
        "feature": Parameter("Only adjustments of this feature.", NAME),
        **PAGE,
    },
    "GET /v1/customers/{customer}/entitlements": PAGE,
    "GET /v1/customers/{customer}/limits": PAGE,
    "GET /v1/customers/{customer}/limits/{name}/impact": {
        "from": Parameter("Windows that reach beyond this time (RFC 3339 or a date); by default 30 days before `to`."),
        "to": Parameter("Windows that begin before this time (RFC 3339 or a date); by default now."),
    },
    "GET /v1/customers/{customer}/periods": {
        "feature": Parameter("Only periods of this feature.", NAME),
        "limit": Parameter(
            "The name of a limit, for its periods; by default those of the entitlements' own quotas, which are billed. "
            "A number that names no limit of the customer is a page_size.",
            NAME,
        ),
        "page_size": PAGE["limit"],
        "cursor": PAGE["cursor"],
    },
    "GET /v1/events": {
        "customer": Parameter("Whose events. Without it: rejected events of which no customer is known.", NAME),
        "from": Parameter("Received from this time on (RFC 3339 or a date); by default 35 days ago."),
        "to": Parameter(
            "Received before this time (RFC 3339 or a date); by default until now. What was counted more than 15 "
            "minutes after its receipt is found without it."
        ),
        "status": Parameter("Only events that are accepted, rejected or in conflict (accepted, rejected, conflict)."),
        "type": Parameter("Only events of this type.", IDENTIFIER),
        "id": Parameter("Only events of this id.", IDENTIFIER),
        **PAGE,
    },
    "GET /v1/keys": PAGE,
    "GET /v1/audit": {
        "customer": Parameter("Whose entries, the newest first; without it those of the stack itself.", NAME),
        **PAGE,
    },
    "GET /v1/webhook-endpoints": PAGE,
    "GET /v1/webhook-endpoints/{endpoint}/deliveries": PAGE,
    "GET /v1/health": {"deep": Parameter("Send a probe through the stream, and say how long it took.", SWITCH)},
    "GET /v1/usage": {
        "customer": Parameter("Whose usage.", NAME),
        "feature": Parameter("The feature; or give a meter.", NAME),
        "meter": Parameter("The meter.", NAME),
        "from": Parameter(
            "From this time on (RFC 3339, or a date in `tz`); by default from the start of the current month."
        ),
        "to": Parameter("Until before this time (RFC 3339, or a date in `tz`); by default until now."),
        "window": Parameter("hour, day, week, month or none (one sum); none by default."),
        "tz": Parameter("The time zone of the windows; by default UTC."),
        "group_by": Parameter("Dimensions, separated by commas."),
        "filter[dimension]": Parameter("Only usage with this value of the dimension.", IDENTIFIER),
    },
}
"""By the route's key. A route that is not here takes no parameters."""


def broken_query(route: str, query: Mapping[str, str], repeated: Collection[str]) -> tuple[FieldError, ...]:
    """Every rule that a route's query breaks: parameters it does not have, given twice, or of the wrong kind."""
    return tuple(_broken(QUERIES.get(route, {}), query, repeated))


def _broken(declared: Query, query: Mapping[str, str], repeated: Collection[str]) -> Iterator[FieldError]:
    for name, value in query.items():
        parameter = declared.get(name) or _of_family(declared, name)
        if parameter is None:
            yield parameter_error(name, "unknown_field", "is not a parameter of this request")
        elif name in repeated:
            yield parameter_error(name, "repeated", "must be given once")
        elif broken := parameter.broken(value):
            yield parameter_error(name, *broken)


def _of_family(declared: Query, name: str) -> Parameter | None:
    """The declaration of `filter[model]`, which is that of `filter[dimension]`; its own name is declared by nobody."""
    family = _FAMILY.fullmatch(name)
    found = (known for known in declared if family is not None and known.startswith(f"{family[1]}["))
    return next((declared[known] for known in found), None)


def switched_on(query: Mapping[str, str], name: str) -> bool:
    """Whether a switch that was found to be one is on."""
    return query.get(name) in ON


def instant_asked(
    parameters: Mapping[str, str], name: str, default: Instant, errors: list[FieldError], *, zone: str = "UTC"
) -> Instant:
    """The time that a parameter states, or the default; what is wrong with it is added to the errors.

    A plain date is its midnight in the zone.
    """
    given = parameters.get(name)
    if given is None:
        return default
    try:
        instant = _instant_of(given, zone)
    except ValueError:
        detail = "must be an RFC 3339 time with an offset, like 2026-01-31T12:00:00Z, or a date, like 2026-01-31"
        errors.append(parameter_error(name, "invalid", detail))
        return default
    if EARLIEST <= instant < LATEST:
        return instant
    errors.append(parameter_error(name, "out_of_range", "must be between the years 1971 and 9998"))
    return default


def _instant_of(given: str, zone: str) -> Instant:
    """The instant of a time or a date. Raises ValueError."""
    if _DATE.fullmatch(given):
        return midnight(max(date.fromisoformat(given), _BEFORE_ALL), zone)
    # An unescaped plus sign of an offset arrives as a space.
    return parse_instant(re.sub(r" (?=\d\d:\d\d$)", "+", given))


def parameter_error(name: str, code: str, detail: str) -> FieldError:
    """A broken rule of a query parameter."""
    return FieldError(pointer=f"?{name}".encode("utf-8", "backslashreplace").decode(), code=code, detail=detail)
