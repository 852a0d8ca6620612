"""Limits on the wire, as the catalog declares them: windows in the short form or as a list, and what they do.

Tiers, carryover and rates have contracts of their own; what they break together with the windows is found here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from tallygate.contracts.carryover import CarryoverEntry, broken_carryover
from tallygate.contracts.fields import (
    DIMENSIONS_MAX,
    Amount,
    DimensionKey,
    DimensionValue,
    NotAvailable,
    Zone,
    instant_of,
    one_of,
)
from tallygate.contracts.rates import RateWindow, rate_form
from tallygate.contracts.reading import Broken, Contract, broken, broken_several
from tallygate.contracts.tiers import TIERS_MAX, Tiered, TierEntry, broken_tiers, in_order
from tallygate.domain.boundaries import BILLING_PERIOD, EVERY, WEEKDAYS, Unit, length_of, plainest, step_of
from tallygate.domain.capacity import QUOTAS_PER_WRITE_MAX, RATES_PER_WRITE_MAX
from tallygate.domain.catalog import RateTerms
from tallygate.domain.catalog_forms import Form
from tallygate.domain.instants import HOUR, format_instant
from tallygate.domain.periods import CALENDAR, FIRST_USE, ROLLING, SUBSCRIPTION_START, TIMESTAMP
from tallygate.domain.tiers import Enforcement as Mode

WINDOWS_MAX = QUOTAS_PER_WRITE_MAX + RATES_PER_WRITE_MAX
API_KEY = "api_key"
"""The dimension that the credential fills in; no meter has to name it."""
COUNTED_EVERY = "month"
"""What is unlimited is still counted: by this period, unless another is given."""

ROLLING_MIN = HOUR
"""What rolls faster is a rate."""
ANCHOR_WORDS = (CALENDAR, SUBSCRIPTION_START, ROLLING, FIRST_USE)
"""An instant is the other form."""


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
    rule = f"must be {', '.join(ANCHOR_WORDS)} or an RFC 3339 time"
    raise broken("not_allowed" if isinstance(value, str) else "type", rule)


def _fixed_value(value: str) -> str:
    if value == "*":
        raise broken("not_available", "a free dimension is not available in this version; a fixed value is")
    return value


Scope = Annotated[
    dict[DimensionKey, Annotated[DimensionValue, AfterValidator(_fixed_value)]], Field(max_length=DIMENSIONS_MAX)
]
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
Weekday = Annotated[str, one_of(WEEKDAYS), WithJsonSchema({"enum": list(WEEKDAYS)})]
ENFORCEMENTS = tuple(mode.value for mode in Mode)
Enforcement = Annotated[str, one_of(ENFORCEMENTS), WithJsonSchema({"enum": list(ENFORCEMENTS)})]


class Period(Contract):
    """A recurring period; without a timezone it is the customer's.

    Boundaries are those of the calendar, or are counted from when the subscription started, or from a time. What is
    rolling counts the last so many days or hours at any time, and forgets what was used a twelfth late at most. From
    first_use, what is used while no period runs begins one, and after its end none runs until something is used again.
    A billing_period is a month from when the subscription started; what is never over counts for ever.
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
        return step_of(self.every).unit is not Unit.NEVER

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        rules: list[Broken] = []
        step = step_of(self.every)
        if self.every == BILLING_PERIOD and self.counted_from != SUBSCRIPTION_START:
            rules.append((("anchor",), "not_allowed", "must be subscription_start: a billing period is driven by it"))
        if step.unit is Unit.NEVER and self.counted_from not in (CALENDAR, SUBSCRIPTION_START):
            rules.append((("anchor",), "not_allowed", "has no boundaries to be counted from"))
        if self.counted_from == ROLLING and (length_of(step) or 0) < ROLLING_MIN:
            rules.append((("every",), "not_allowed", "must be days, weeks or hours to roll: P30D, not a month"))
        if "week_starts" in self.model_fields_set and not (step.weekly and self.counted_from == CALENDAR):
            rules.append((("week_starts",), "not_allowed", "is for weeks of the calendar"))
        if rules:
            raise broken_several(rules)
        return self

    def form(self) -> Form:
        """The stored form."""
        form: Form = {"every": self.every, "anchor": self.counted_from}
        if self.timezone is not None:
            form["timezone"] = self.timezone
        if self.week_starts != WEEKDAYS[0]:
            form["week_starts"] = self.week_starts
        return form


class WindowEntry(Contract):
    """One window of a limit: `limit` (null: unlimited) with `period`, or `rate`."""

    limit: Amount | None = None
    period: Period | None = None
    rate: RateWindow | None = None
    spend: NotAvailable = None

    @property
    def rolls(self) -> bool:
        return self.period is not None and self.period.counted_from == ROLLING

    @model_validator(mode="after")
    def _one_window(self) -> Self:
        if rules := list(_broken_pair(self)):
            raise broken_several(rules)
        if "limit" in self.model_fields_set and self.rate is not None:
            raise broken("invalid", "is one window: give limit with period, or rate")
        return self


class Windowed(Contract):
    """What entitlements and limits share: windows in the short form or as a list, enforcement, tiers and carryover."""

    limit: Amount | None = None
    period: Period | None = None
    rate: RateWindow | None = None
    windows: list[WindowEntry] | None = Field(default=None, min_length=1, max_length=WINDOWS_MAX)
    enforcement: Enforcement = "hard"
    tiers: list[TierEntry] = Field(default_factory=list, max_length=TIERS_MAX)
    carryover: CarryoverEntry | None = None
    spend: NotAvailable = None
    price: NotAvailable = None
    values: NotAvailable = None
    ceiling: NotAvailable = None
    close_grace: NotAvailable = None
    report_zero: NotAvailable = None

    @property
    def parts(self) -> list[WindowEntry]:
        """The windows in either form, each with one kind."""
        if self.windows is not None:
            return self.windows
        quota = [WindowEntry.model_construct(_fields_set={"limit"}, limit=self.limit, period=self.period)]
        rate = [WindowEntry.model_construct(_fields_set={"rate"}, rate=self.rate)]
        return (quota if "limit" in self.model_fields_set else []) + (rate if self.rate is not None else [])

    @property
    def quotas(self) -> list[WindowEntry]:
        return [part for part in self.parts if "limit" in part.model_fields_set]

    @property
    def rates(self) -> list[RateTerms]:
        return [part.rate.terms for part in self.parts if part.rate is not None]

    @property
    def tiered(self) -> list[Tiered]:
        """The quotas that its tiers are thresholds of."""
        return [
            Tiered(limit=part.limit, ends=part.period is None or part.period.ends)
            for part in self.quotas
            if part.limit is not None and not part.rolls
        ]

    @model_validator(mode="after")
    def _sound(self, info: ValidationInfo) -> Self:
        if rules := list(self.rules_broken(info.context or {})):
            raise broken_several(rules)
        return self

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[Broken]:
        """What the members break together; `known` is what the reader's context holds of the catalog."""
        yield from _broken_form(self)
        yield from _repeated_windows(self)
        yield from _broken_tiers(self)
        yield from _broken_carryover(self)

    def window_forms(self) -> Form:
        """The windows, tiers and carryover in the stored form."""
        return {
            "enforcement": self.enforcement,
            "windows": [_window_form(part) for part in self.parts],
            "tiers": [tier.form() for tier in in_order(self.tiers, self.tiered)],
            "carryover": None if self.carryover is None else self.carryover.form(),
        }


def broken_scope(scope: Mapping[str, str], dimensions: Collection[str] | None) -> Iterator[Broken]:
    """A scope names dimensions that the feature's meter has (None: unknown), else no event would ever match it."""
    for name in scope:
        if dimensions is not None and name not in dimensions and name != API_KEY:
            yield (("scope", name), "unknown_reference", f"the feature's meter has no dimension {name}")


def _window_form(part: WindowEntry) -> Form:
    if part.rate is not None:
        return {"rate": rate_form(part.rate.terms)}
    period = Period(every=COUNTED_EVERY) if part.period is None else part.period
    return {"limit": part.limit, "period": period.form()}


def _broken_pair(part: WindowEntry | Windowed) -> Iterator[Broken]:
    """limit and period belong together; only what is unlimited may leave the period out."""
    limited = "limit" in part.model_fields_set
    if limited and part.limit is not None and part.period is None:
        yield (("period",), "required", "is required beside limit")
    if part.period is not None and not limited:
        yield (("limit",), "required", "is required beside period; null is unlimited")
    if not limited and part.period is None and part.rate is None:
        yield (("limit",), "required", "is required (null is unlimited), unless there is a rate")


def _broken_form(entry: Windowed) -> Iterator[Broken]:
    if entry.windows is None:
        yield from _broken_pair(entry)
        return
    for name in ("limit", "period", "rate"):
        if name in entry.model_fields_set:
            yield ((name,), "not_allowed", "is the short form: give it, or windows")


def _repeated_windows(entry: Windowed) -> Iterator[Broken]:
    at = ("windows",) if entry.windows is not None else ()
    counted = [_counted(part) for part in entry.quotas]
    for every, _ in sorted({name for name in counted if counted.count(name) > 1}):
        yield (at, "repeated", f"two windows of this limit have a {every}: the lower one alone decides")
    widths = [rate.width for rate in entry.rates]
    for width in sorted({width for width in widths if widths.count(width) > 1}):
        yield (at, "repeated", f"two rates of this limit refill their burst in the same {width} ms: one alone decides")


def _counted(part: WindowEntry) -> tuple[str, str]:
    """What tells the counters of a limit's windows apart: the period and the kind of its anchor."""
    if part.period is None:
        return COUNTED_EVERY, CALENDAR
    every, anchor = plainest(part.period.every), part.period.counted_from
    if step_of(every).unit is Unit.NEVER:
        return every, CALENDAR
    return every, anchor if anchor in ANCHOR_WORDS else TIMESTAMP


def _broken_tiers(entry: Windowed) -> Iterator[Broken]:
    if entry.tiers and all(part.limit is None for part in entry.quotas):
        yield (("tiers",), "not_allowed", "need a quota with a limit")
    elif entry.tiers and not entry.tiered:
        yield (("tiers",), "not_available", "of a rolling period are not available in this version")
    else:
        for steps, code, detail in broken_tiers(entry.tiers, entry.tiered):
            yield (("tiers", *steps), code, detail)


def _broken_carryover(entry: Windowed) -> Iterator[Broken]:
    if entry.carryover is not None:
        yield from broken_carryover([_counted(part) for part in entry.quotas if part.limit is not None])
