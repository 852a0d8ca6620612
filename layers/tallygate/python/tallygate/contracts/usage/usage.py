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
from typing import Any, Literal

from pydantic import Field

from tallygate.contracts.base.answers import JSON
from tallygate.contracts.base.bodies import AnswerBody, EndOut, QuantityOut, Span, TimeOut
from tallygate.contracts.base.described import LEFT_OUT
from tallygate.contracts.base.queries import Parameters
from tallygate.contracts.facts.statements import PendingPlan
from tallygate.contracts.limits.suspensions import WaiverAnswer
from tallygate.contracts.metering.answers import EventRowAnswer
from tallygate.domain.base.closest import did_you_mean
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.units import presented
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.audits import Audit
from tallygate.domain.facts.impact import RANGE, Impact, ImpactQuery
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
        asked.refuse("customer", "required", "is required, like customer=acme")
    if bool(parameters.get("feature")) == bool(parameters.get("meter")):
        asked.refuse(
            "feature", "required", "is required, or meter instead: exactly one of the two, like feature=ai-tokens"
        )
    window, zone = parameters.get("window", "none"), parameters.get("tz", "UTC")
    if window not in WINDOWS:
        asked.refuse("window", "not_allowed", f"must be {' or '.join(WINDOWS)}{did_you_mean(window, WINDOWS)}")
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
        detail = (
            f"must name each dimension once, and at most {DIMENSIONS_MAX} together with the filters, like model,team"
        )
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


class UsageRow(AnswerBody):
    """The usage in one window, or of one group in it.

    start: first instant
    end: first instant after it
    group: values of the group_by dimensions; null: usage without the dimension
    marker: why enforced usage was reset in the window
    """

    start: TimeOut
    end: TimeOut
    group: dict[str, str | None]
    value: QuantityOut
    marker: Literal["MANUAL", "PLAN_CHANGE"] = LEFT_OUT


class PresentedTotal(AnswerBody):
    """A sum in the feature's display unit.

    plural: absent: the catalog declares none
    """

    unit: str
    plural: str = LEFT_OUT
    total: QuantityOut


class UsageSums(AnswerBody):
    """Usage over time and by dimension.

    start: start of the covered time, a whole quarter hour
    end: end of the covered time
    data: in order of time and group; windows without usage have no row
    total: sum of all rows
    presented: null: the feature has no unit
    as_of: usage until then is contained
    """

    meter: str
    start: TimeOut = Field(alias="from")
    end: TimeOut = Field(alias="to")
    data: list[UsageRow]
    total: QuantityOut
    presented: PresentedTotal | None
    as_of: TimeOut


def usage_answer(answer: UsageAnswer) -> JSON:
    """Return the answer to a usage query as JSON."""
    return UsageSums.of(
        answer,
        data=[UsageRow.of(row, group=dict(row.group)) for row in answer.rows],
        presented=presented(answer.unit, {"total": answer.total}),
    )


def read_event_list(parameters: Mapping[str, str], *, now: Instant) -> EventsAsked:
    """Read a query for events; the default end is now. Raises InvalidRequest with every broken rule."""
    asked, status = Parameters(parameters), parameters.get("status")
    if status == "parked":
        asked.refuse("status", "not_available", "parked is not available in this version")
    elif status is not None and status not in STATUSES:
        asked.refuse("status", "not_allowed", f"must be {' or '.join(STATUSES)}{did_you_mean(status, STATUSES)}")
    elif status == "accepted" and "customer" not in parameters:
        asked.refuse("customer", "required", "is required with status accepted, like customer=acme")
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
    """Return one event as JSON."""
    answer = EventRowAnswer.of(row)
    if not row.others:
        del answer["others"]
    return answer


def read_impact(customer: str, name: str, parameters: Mapping[str, str], *, now: Instant) -> ImpactQuery:
    """Read an impact query. Raises InvalidRequest with every broken rule."""
    asked = Parameters(parameters)
    start, end = asked.stretch(now + 1, lambda end: end - RANGE, longest=IMPACT_RANGE_MAX)
    asked.require_sound()
    return ImpactQuery(customer=customer, name=name, start=start, end=end)


class WouldDeny(AnswerBody):
    """What a limit in mode observe would have denied.

    decisions: number of uses
    amount: their units
    """

    decisions: int
    amount: QuantityOut


class ImpactWindow(Span):
    """A window with the limit as of its last usage.

    every: null: not known
    usage: units counted
    limit: with carried and adjusted amounts; null: unlimited
    """

    feature: str
    scope: dict[str, str]
    every: str | None
    enforcement: str
    usage: QuantityOut
    limit: QuantityOut | None
    would_deny: WouldDeny


class ImpactSum(AnswerBody):
    """The sums over the windows of one quota.

    every: null: not known
    windows: number of windows
    """

    feature: str
    scope: dict[str, str]
    every: str | None
    windows: int
    usage: QuantityOut
    would_deny: WouldDeny


class ImpactAnswer(AnswerBody):
    """What a limit counted, and what it would have denied.

    name: of the limit
    start: windows that end after this time
    end: windows that begin before this time
    data: windows with usage
    sums: one for each quota; different quotas count the same use, so they are never added
    """

    customer: str
    name: str
    start: TimeOut = Field(alias="from")
    end: TimeOut = Field(alias="to")
    data: list[ImpactWindow]
    sums: list[ImpactSum]
    as_of: TimeOut


def impact_answer(impact: Impact) -> JSON:
    """Return the answer to an impact query as JSON."""
    return ImpactAnswer.of(
        impact.query,
        data=[_window(total) for total in impact.totals],
        sums=[ImpactSum.of(each, would_deny=WouldDeny.of(each)) for each in impact.sums],
        as_of=impact.as_of,
    )


def _window(total: Total) -> JSON:
    return ImpactWindow.of(
        total.governed,
        start=total.start,
        end=total.end,
        usage=total.value,
        limit=None if total.limit is None else max(ZERO, total.limit),
        would_deny=WouldDeny(decisions=total.would_decisions, amount=total.would_amount),
    )


class AuditAnswer(AnswerBody):
    """An entry of the audit trail: who did what, when and why, and the state before and after.

    customer: null: a change of the stack
    feature: null: the change concerns no single feature
    actor: as the request states it, else the id of the API key
    key_id: API key of the request; null: a tier acted
    before: null: it did not exist
    after: null: it does not exist any more
    scope, limit_name, level, lifted, waived, waived_until: of a suspension or resume
    amount, category, period, resumed: of an adjustment
    effective_at, anchor, overage: of a manual reset
    effective, usage, base, replaces: of a change of subscription
    limit: name of the customer's own limit that changed
    version, changes: of a change of the catalog
    key, endpoint: id of the API key or webhook endpoint that changed
    """

    id: str
    customer: str | None
    action: str
    feature: str | None
    actor: str
    key_id: str | None
    reason: str
    at: TimeOut
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    scope: dict[str, str] = LEFT_OUT
    limit_name: str = LEFT_OUT
    level: str = LEFT_OUT
    lifted: list[str] = LEFT_OUT
    waived: list[WaiverAnswer] = LEFT_OUT
    waived_until: EndOut = LEFT_OUT
    amount: QuantityOut = LEFT_OUT
    category: str | None = LEFT_OUT
    period: Span = LEFT_OUT
    resumed: bool = LEFT_OUT
    effective_at: TimeOut = LEFT_OUT
    anchor: str = LEFT_OUT
    overage: str = LEFT_OUT
    effective: str = LEFT_OUT
    usage: str = LEFT_OUT
    base: str = LEFT_OUT
    replaces: PendingPlan | None = LEFT_OUT
    limit: str = LEFT_OUT
    version: int = LEFT_OUT
    changes: list[dict[str, Any]] = LEFT_OUT
    key: str = LEFT_OUT
    endpoint: str = LEFT_OUT


def audit_answer(audit: Audit) -> JSON:
    """Return an entry of the audit trail as JSON."""
    return AuditAnswer.of(audit, **audit.about)
