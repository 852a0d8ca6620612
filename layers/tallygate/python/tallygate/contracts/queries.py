"""Query parameters of the control plane's routes: what each means. A route refuses every other one."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tallygate.domain.instants import Instant, parse_instant
from tallygate.errors import FieldError

EARLIEST = parse_instant("1971-01-01T00:00:00Z")
LATEST = parse_instant("9999-01-01T00:00:00Z")

PAGE = {
    "limit": "How many entries to answer, 1 to 100; 20 by default.",
    "cursor": "The next_cursor of the page before.",
}

QUERIES: Mapping[str, Mapping[str, str]] = {
    "PUT /v1/catalog": {"dry_run": "1: say what would change, and write nothing."},
    "GET /v1/customers/{customer}/adjustments": {"feature": "Only adjustments of this feature.", **PAGE},
    "GET /v1/customers/{customer}/entitlements": PAGE,
    "GET /v1/customers/{customer}/limits": PAGE,
    "GET /v1/customers/{customer}/limits/{name}/impact": {
        "from": "Windows that reach beyond this time (RFC 3339); by default 30 days before `to`.",
        "to": "Windows that begin before this time (RFC 3339); by default now.",
    },
    "GET /v1/customers/{customer}/periods": {"feature": "Only periods of this feature.", **PAGE},
    "GET /v1/events": {
        "customer": "Whose events. Without it: rejected events of which no customer is known.",
        "from": "Received from this time on (RFC 3339); by default 35 days ago.",
        "to": "Received before this time (RFC 3339); by default until now. What was counted more than 15 minutes after "
        "its receipt is found without it.",
        "status": "Only events that are accepted, rejected or in conflict (accepted, rejected, conflict).",
        "type": "Only events of this type.",
        "id": "Only events of this id.",
        **PAGE,
    },
    "GET /v1/keys": PAGE,
    "GET /v1/audit": {"customer": "Whose entries, the newest first.", **PAGE},
    "GET /v1/webhook-endpoints": PAGE,
    "GET /v1/webhook-endpoints/{endpoint}/deliveries": PAGE,
    "GET /v1/health": {"deep": "1: send a probe through the stream, and say how long it took."},
    "GET /v1/usage": {
        "customer": "Whose usage.",
        "feature": "The feature; or give a meter.",
        "meter": "The meter.",
        "from": "From this time on (RFC 3339); by default from the start of the current month.",
        "to": "Until before this time (RFC 3339); by default until now.",
        "window": "hour, day, week, month or none (one sum); none by default.",
        "tz": "The time zone of the windows; by default UTC.",
        "group_by": "Dimensions, separated by commas.",
        "filter[dimension]": "Only usage with this value of the dimension.",
    },
}


def switch(value: str | None) -> bool:
    """Whether a parameter that is on or off is on."""
    return value is not None and value.lower() in ("1", "true", "yes")


def instant_asked(parameters: Mapping[str, str], name: str, default: Instant, errors: list[FieldError]) -> Instant:
    """The time that a parameter states, or the default; what is wrong with it is added to the errors."""
    given = parameters.get(name)
    if given is None:
        return default
    try:
        # An unescaped plus sign of an offset arrives as a space.
        instant = parse_instant(re.sub(r" (?=\d\d:\d\d$)", "+", given))
    except ValueError:
        detail = "must be an RFC 3339 time with an offset, like 2026-01-31T12:00:00Z"
        errors.append(parameter_error(name, "invalid", detail))
        return default
    if EARLIEST <= instant < LATEST:
        return instant
    errors.append(parameter_error(name, "out_of_range", "must be between the years 1971 and 9998"))
    return default


def parameter_error(name: str, code: str, detail: str) -> FieldError:
    """A broken rule of a query parameter."""
    return FieldError(pointer=f"?{name}", code=code, detail=detail)
