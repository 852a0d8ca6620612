"""Query parameters of the control plane's routes: what each means. A route refuses every other one."""

from __future__ import annotations

from collections.abc import Mapping

PAGE = {
    "limit": "How many entries to answer, 1 to 100; 20 by default.",
    "cursor": "The next_cursor of the page before.",
}

QUERIES: Mapping[str, Mapping[str, str]] = {
    "PUT /v1/catalog": {"dry_run": "1: say what would change, and write nothing."},
    "GET /v1/customers/{customer}/entitlements": PAGE,
    "GET /v1/customers/{customer}/limits": PAGE,
    "GET /v1/customers/{customer}/periods": {"feature": "Only periods of this feature.", **PAGE},
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
        "window": "none (one sum) or day.",
        "tz": "The time zone of days; by default UTC.",
        "group_by": "Dimensions, separated by commas.",
        "filter[dimension]": "Only usage with this value of the dimension.",
    },
}


def switch(value: str | None) -> bool:
    """Whether a parameter that is on or off is on."""
    return value is not None and value.lower() in ("1", "true", "yes")
