"""Windows of limits on the wire: quotas by period, and rates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from tallygate.contracts.base.fields import Amount, NotAvailable, PositiveQuantity, Zone, instant_of, one_of, wrong_word
from tallygate.contracts.base.reading import Contract, Judged, broken, rule
from tallygate.domain.base.instants import DAY, HOUR, SECOND, format_instant
from tallygate.domain.catalog.catalog import RateTerms
from tallygate.domain.catalog.forms import Form
from tallygate.domain.catalog.rates import PER
from tallygate.domain.periods.boundaries import BILLING_PERIOD, EVERY, WEEKDAYS, TimeUnit, length_of, plainest, step_of
from tallygate.domain.periods.recurrence import CALENDAR, FIRST_USE, ROLLING, SUBSCRIPTION_START, TIMESTAMP
from tallygate.errors import FieldError

COUNTED_EVERY = "month"
"""The default period of an unlimited quota, which is still counted."""
ROLLING_MIN = HOUR
"""The shortest rolling period. For shorter intervals use a rate."""
RATE_WIDTH_MAX = 366 * DAY
"""The longest time in which a rate may refill its burst. For longer times use a quota."""
ANCHOR_WORDS = (CALENDAR, SUBSCRIPTION_START, ROLLING, FIRST_USE)
"""The words for an anchor. The other form is an instant."""


def _every(value: object) -> str:
    if not isinstance(value, str):
        raise broken("type", "must be a string: a word like month, or an ISO 8601 duration like P30D")
    try:
        step_of(value)
    except ValueError as error:
        raise broken("not_allowed", str(error)) from None
    return value


def _anchor(value: object) -> str:
    if value in ANCHOR_WORDS:
        return str(value)
    if isinstance(value, str) and value[:1].isdigit():
        return format_instant(instant_of(value))
    raise wrong_word(
        value, f"must be {', '.join(ANCHOR_WORDS)} or an RFC 3339 time like 2026-01-01T00:00:00Z", ANCHOR_WORDS
    )


Every = Annotated[
    str,
    PlainValidator(_every),
    WithJsonSchema(
        {"anyOf": [{"enum": list(EVERY)}, {"type": "string", "pattern": "^P", "examples": ["P30D", "PT5H"]}]}
    ),
]
Anchor = Annotated[
    str,
    PlainValidator(_anchor),
    WithJsonSchema({"anyOf": [{"enum": list(ANCHOR_WORDS)}, {"type": "string", "format": "date-time"}]}),
]
Weekday = Annotated[str, one_of(WEEKDAYS)]
Per = Annotated[str, one_of(tuple(PER))]


class RateWindow(Judged):
    """A rate: at most burst + limit × T ÷ per units in any interval T. `burst` defaults to the limit."""

    limit: PositiveQuantity
    per: Per
    burst: PositiveQuantity | None = None

    @property
    def terms(self) -> RateTerms:
        return RateTerms(limit=self.limit, per=self.per, burst=self.limit if self.burst is None else self.burst)

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[FieldError]:
        if self.terms.width < SECOND:
            yield rule("out_of_range", "must be at least the units that the rate grants in one second", "burst")
        if self.terms.width > RATE_WIDTH_MAX:
            yield rule("out_of_range", "must be at most the units that the rate grants in 366 days", "burst")

    def form(self) -> Form:
        """Return the stored form."""
        terms = self.terms
        return {"limit": terms.limit, "per": terms.per, "burst": terms.burst}


class Period(Judged):
    """A recurring period. The timezone defaults to the customer's.

    The anchor determines the boundaries: the calendar, the start of the subscription, or a time. A rolling period
    covers the last days or hours at any time; usage leaves it at most a twelfth of its length late. With first_use, a
    period begins with the first usage, and the next one with the first usage after its end. A billing_period is a month
    from the start of the subscription. With `every` never, there is one period without an end.
    """

    every: Every
    anchor: Anchor | None = None
    timezone: Zone | None = None
    week_starts: Weekday = WEEKDAYS[0]

    @property
    def counted_from(self) -> str:
        """The anchor, given or by default."""
        if self.anchor is not None:
            return self.anchor
        return SUBSCRIPTION_START if self.every == BILLING_PERIOD else CALENDAR

    @property
    def ends(self) -> bool:
        return step_of(self.every).unit is not TimeUnit.NEVER

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[FieldError]:
        step = step_of(self.every)
        if self.every == BILLING_PERIOD and self.counted_from != SUBSCRIPTION_START:
            yield rule("not_allowed", "must be subscription_start for a billing period", "anchor")
        if not self.ends and self.counted_from not in (CALENDAR, SUBSCRIPTION_START):
            yield rule("not_allowed", "is not allowed with a period that never ends", "anchor")
        if self.counted_from == ROLLING and (length_of(step) or 0) < ROLLING_MIN:
            yield rule("not_allowed", "must be hours, days or weeks for a rolling period, like P30D", "every")
        if "week_starts" in self.model_fields_set and not (step.weekly and self.counted_from == CALENDAR):
            yield rule("not_allowed", "is only allowed for calendar weeks", "week_starts")

    def form(self) -> Form:
        """Return the stored form."""
        form: Form = {"every": self.every, "anchor": self.counted_from}
        if self.timezone is not None:
            form["timezone"] = self.timezone
        if self.week_starts != WEEKDAYS[0]:
            form["week_starts"] = self.week_starts
        return form


class WindowEntry(Judged):
    """One window of a limit: `limit` (null: unlimited) with `period`, or `rate`."""

    limit: Amount | None = None
    period: Period | None = None
    rate: RateWindow | None = None
    spend: NotAvailable = None

    @property
    def limited(self) -> bool:
        """Whether the window is a quota, limited or unlimited."""
        return "limit" in self.model_fields_set

    @property
    def rolls(self) -> bool:
        return self.period is not None and self.period.counted_from == ROLLING

    @property
    def counted(self) -> tuple[str, str]:
        """The identity of the window's counters within a limit: the period and the kind of its anchor."""
        if self.period is None:
            return COUNTED_EVERY, CALENDAR
        every, anchor = plainest(self.period.every), self.period.counted_from
        if not self.period.ends:
            return every, CALENDAR
        return every, anchor if anchor in ANCHOR_WORDS else TIMESTAMP

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[FieldError]:
        if rules := list(broken_pair(self)):
            yield from rules
        elif self.limited and self.rate is not None:
            yield rule("invalid", "must have either limit with period, or rate")

    def form(self) -> Form:
        """Return the stored form."""
        if self.rate is not None:
            return {"rate": self.rate.form()}
        period = Period(every=COUNTED_EVERY) if self.period is None else self.period
        return {"limit": self.limit, "period": period.form()}


def broken_pair(entry: Contract) -> Iterator[FieldError]:
    """Return the rules that a window, or a limit in the short form, breaks: limit and period belong together.

    Only an unlimited quota may omit the period.
    """
    given = entry.model_fields_set
    limit, period, rate = (getattr(entry, name) for name in ("limit", "period", "rate"))
    if "limit" in given and limit is not None and period is None:
        yield rule("required", 'is required together with limit, like {"every": "month"}', "period")
    if "limit" not in given and period is not None:
        yield rule("required", "is required together with period; null means unlimited", "limit")
    if "limit" not in given and period is None and rate is None:
        yield rule("required", "is required unless there is a rate; null means unlimited", "limit")
