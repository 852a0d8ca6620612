"""History on the wire: usage, events, the impact of an observing limit, and the audit trail.

GET /v1/usage       customer, feature | meter   the usage to sum
                    from, to                    RFC 3339, or a date in `tz`; extended to whole quarter hours, the
                                                resolution, as the answer states; default: the current calendar
                                                month in `tz`, up to now
                    window none | hour | day |  one sum, or one for each hour, day, week (from Monday) or month in
                           week | month, tz     an IANA zone (default UTC)
                    group_by=a,b  filter[a]=x   by dimension values; usage without the dimension has the value null
GET …/impact        data   the whole windows of the limit that overlap [from, to) and have usage
                    sums   one for each quota of the limit. A monthly and a daily quota count the same uses, so their
                           sums are not added.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from tallygate.contracts.base.answers import JSON, fields_of, period_answer, quantity, time
from tallygate.contracts.base.queries import Parameters
from tallygate.contracts.metering.ingest import warning_answer
from tallygate.domain.base.instants import Instant, format_instant
from tallygate.domain.base.quantities import ZERO, format_quantity
from tallygate.domain.catalog.units import presented
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.audits import Audit
from tallygate.domain.facts.impact import RANGE, Impact, ImpactQuery, Sum
from tallygate.domain.facts.impact import RANGE_MAX as IMPACT_RANGE_MAX
from tallygate.domain.metering.lateness import FUTURE_MAX
from tallygate.domain.periods.boundaries import is_zone
from tallygate.domain.periods.recurrence import calendar, window_at
from tallygate.domain.usage.events import LISTED_FOR, STATUSES, EventRow, EventsAsked
from tallygate.domain.usage.queries import RANGE_MAX, WINDOWS, UsageAnswer, UsageQuery, aligned

DIMENSIONS_MAX = 10
_FILTER = re.compile(r"filter\[([^\]]{1,64})\]")


def read_usage(parameters: Mapping[str, str], *, now: Instant) -> UsageQuery:
    """Read a usage query from parameters that the route declares. Raises InvalidRequest with every broken rule."""
    asked = Parameters(parameters)
    filters = {found[1]: value for name, value in parameters.items() if (found := _FILTER.fullmatch(name))}
    if not parameters.get("customer"):
        asked.refuse("customer", "required", "is required")
    if bool(parameters.get("feature")) == bool(parameters.get("meter")):
        asked.refuse("feature", "required", "is required, or meter instead: exactly one of the two")
    window, zone = parameters.get("window", "none"), parameters.get("tz", "UTC")
    if window not in WINDOWS:
        asked.refuse("window", "not_allowed", f"must be {' or '.join(WINDOWS)}")
    if not is_zone(zone):
        asked.refuse("tz", "invalid", "must be an IANA time zone, like Europe/Paris")
        zone = "UTC"

    def month(end: Instant) -> Instant:
        return window_at(calendar("month", zone), min(now, end - 1)).start

    # Events may be up to FUTURE_MAX ahead of now, so the default end includes them.
    start, end = asked.stretch(now + FUTURE_MAX, month, zone=zone, longest=RANGE_MAX)
    start, end = aligned(start, end)
    group_by = tuple(name for name in parameters.get("group_by", "").split(",") if name)
    if len(set(group_by)) != len(group_by) or len(group_by) + len(filters) > DIMENSIONS_MAX:
        detail = f"must name each dimension once, and at most {DIMENSIONS_MAX} together with the filters"
        asked.refuse("group_by", "invalid", detail)
    asked.require_sound()
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


def usage_answer(answer: UsageAnswer) -> JSON:
    """Return the answer to a usage query as JSON."""
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


def read_event_list(parameters: Mapping[str, str], *, now: Instant) -> EventsAsked:
    """Read a query for events; the default end is now. Raises InvalidRequest with every broken rule."""
    asked, status = Parameters(parameters), parameters.get("status")
    if status == "parked":
        asked.refuse("status", "not_available", "parked is not available in this version")
    elif status is not None and status not in STATUSES:
        asked.refuse("status", "not_allowed", f"must be {' or '.join(STATUSES)}")
    elif status == "accepted" and "customer" not in parameters:
        asked.refuse("customer", "required", "is required with status accepted")
    start, end = asked.stretch(now + 1, lambda end: min(now, end) - LISTED_FOR)
    asked.require_sound()
    return EventsAsked(
        customer=parameters.get("customer"),
        start=start,
        end=end,
        status=status,
        type=parameters.get("type"),
        id=parameters.get("id"),
    )


def event_row_answer(row: EventRow) -> JSON:
    """Return one event as JSON. Fields that could not be read are null."""
    answer: JSON = {
        **fields_of(row, "id source type status counted_by"),
        "time": time(row.time),
        "received_at": format_instant(row.received_at),
        "warnings": [warning_answer(warning) for warning in row.warnings],
    }
    if row.code is not None:
        answer |= {"code": row.code, "detail": row.detail}
    if row.subject is not None:
        answer["subject"] = row.subject
    if row.others:
        answer["others"] = row.others
    return answer


def read_impact(customer: str, name: str, parameters: Mapping[str, str], *, now: Instant) -> ImpactQuery:
    """Read an impact query. Raises InvalidRequest with every broken rule."""
    asked = Parameters(parameters)
    start, end = asked.stretch(now + 1, lambda end: end - RANGE, longest=IMPACT_RANGE_MAX)
    asked.require_sound()
    return ImpactQuery(customer=customer, name=name, start=start, end=end)


def impact_answer(impact: Impact) -> JSON:
    """Return the answer to an impact query as JSON."""
    query = impact.query
    return {
        "customer": query.customer,
        "name": query.name,
        "from": format_instant(query.start),
        "to": format_instant(query.end),
        "data": [_window(total) for total in impact.totals],
        "sums": [_sum(each) for each in impact.sums],
        "as_of": format_instant(impact.as_of),
    }


def _window(total: Total) -> JSON:
    """Return a window with the limit as of its last usage. `limit` includes carried and adjusted amounts."""
    governed = total.governed
    return {
        "feature": total.feature,
        **fields_of(governed, "scope every enforcement"),
        **period_answer(total.start, total.end),
        "usage": format_quantity(total.value),
        "limit": quantity(None if total.limit is None else max(ZERO, total.limit)),
        "would_deny": _would_deny(total.would_decisions, total.would_amount),
    }


def _sum(each: Sum) -> JSON:
    return {
        **fields_of(each, "feature scope every windows usage"),
        "would_deny": _would_deny(each.decisions, each.amount),
    }


def _would_deny(decisions: int, amount: Decimal) -> JSON:
    return {"decisions": decisions, "amount": format_quantity(amount)}


def audit_answer(audit: Audit) -> JSON:
    """Return an entry of the audit trail: who did what, when and why, and the state before and after.

    customer: null for a change of the stack
    key_id: the API key of the request; null if a tier acted
    """
    return {
        **fields_of(audit, "id customer action feature actor key_id reason"),
        "at": format_instant(audit.at),
        **audit.about,
        **fields_of(audit, "before after"),
    }
