"""GET /v1/usage on the wire: the query's parameters and the answer.

customer, feature | meter     what to sum
from, to                      RFC 3339, or a date in `tz`; aligned outward to quarter hours, the rollup's resolution,
                              and answered so; by default the current calendar month in `tz`, up to now
window none | hour | day |    one sum, or one for each hour, day, week (from Monday) or month of an IANA zone
       week | month, tz       (default UTC)
group_by=a,b  filter[a]=x     by dimension values; usage without the dimension has the value null
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tallygate.contracts.queries import instant_asked, parameter_error
from tallygate.domain.boundaries import is_zone
from tallygate.domain.events import FUTURE_MAX
from tallygate.domain.instants import DAY, Instant, format_instant
from tallygate.domain.periods import calendar, window_at
from tallygate.domain.quantities import format_quantity
from tallygate.domain.unit_forms import presented
from tallygate.domain.usage import RANGE_MAX, WINDOWS, UsageAnswer, UsageQuery, aligned
from tallygate.errors import FieldError, InvalidRequest

DIMENSIONS_MAX = 10
_FILTER = re.compile(r"filter\[([^\]]{1,64})\]")


def read_usage(parameters: Mapping[str, str], *, now: Instant) -> UsageQuery:
    """The query that the parameters state, which are known to be this route's. Raises InvalidRequest with every rule
    that is broken."""
    errors: list[FieldError] = []
    filters: dict[str, str] = {}
    for name, value in parameters.items():
        filtered = _FILTER.fullmatch(name)
        if filtered is not None:
            filters[filtered[1]] = value
    if not parameters.get("customer"):
        errors.append(parameter_error("customer", "required", "is required"))
    if bool(parameters.get("feature")) == bool(parameters.get("meter")):
        errors.append(parameter_error("feature", "required", "exactly one of feature and meter must be given"))
    window = _window(parameters, errors)
    zone = _zone(parameters, errors)
    start, end = _stretch(parameters, zone, now, errors)
    group_by = tuple(name for name in parameters.get("group_by", "").split(",") if name)
    if len(set(group_by)) != len(group_by) or len(group_by) + len(filters) > DIMENSIONS_MAX:
        detail = f"must name each dimension once, and at most {DIMENSIONS_MAX} together with the filters"
        errors.append(parameter_error("group_by", "invalid", detail))
    if errors:
        first = errors[0]
        raise InvalidRequest(f"{first.pointer}: {first.detail}", errors=tuple(errors))
    return UsageQuery(
        customer=parameters["customer"],
        feature=parameters.get("feature") or None,
        meter=parameters.get("meter") or None,
        start=start,
        end=end,
        window=window,
        zone=zone,
        group_by=group_by,
        filters=filters,
    )


def _window(parameters: Mapping[str, str], errors: list[FieldError]) -> str:
    window = parameters.get("window", "none")
    if window not in WINDOWS:
        errors.append(parameter_error("window", "not_allowed", f"must be {' or '.join(WINDOWS)}"))
    return window


def _zone(parameters: Mapping[str, str], errors: list[FieldError]) -> str:
    zone = parameters.get("tz", "UTC")
    if is_zone(zone):
        return zone
    errors.append(parameter_error("tz", "invalid", "must be an IANA time zone, like Europe/Paris"))
    return "UTC"


def _stretch(
    parameters: Mapping[str, str], zone: str, now: Instant, errors: list[FieldError]
) -> tuple[Instant, Instant]:
    """[from, to), aligned; events may be a little ahead of now, so that the default reaches there."""
    broken = len(errors)
    end = instant_asked(parameters, "to", now + FUTURE_MAX, errors, zone=zone)
    month = window_at(calendar("month", zone), min(now, end - 1)).start
    start = instant_asked(parameters, "from", month, errors, zone=zone)
    if len(errors) == broken and start >= end:
        errors.append(parameter_error("to", "out_of_range", "must be later than from"))
    elif end - start > RANGE_MAX:
        errors.append(parameter_error("from", "out_of_range", f"must be at most {RANGE_MAX // DAY} days before to"))
    return aligned(start, end)


def usage_answer(answer: UsageAnswer) -> dict[str, Any]:
    """The answer as JSON."""
    return {
        "meter": answer.meter,
        "from": format_instant(answer.start),
        "to": format_instant(answer.end),
        "data": [
            {
                "start": format_instant(row.start),
                "end": format_instant(row.end),
                "group": dict(row.group),
                "value": format_quantity(row.value),
                **({} if row.marker is None else {"marker": row.marker}),
            }
            for row in answer.rows
        ],
        "total": format_quantity(answer.total),
        "presented": presented(answer.unit, {"total": answer.total}),
        "as_of": format_instant(answer.as_of),
    }
