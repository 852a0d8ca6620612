"""Limits on the wire, as the catalog declares them: windows in the short form or as a list, tiers and carryover.

Windows and tiers have contracts of their own. This module checks the rules across them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema

from tallygate.contracts.base.fields import (
    AMOUNT_SCHEMA,
    Amount,
    DimensionKey,
    DimensionValue,
    NotAvailable,
    amount_of,
    kept,
    one_of,
)
from tallygate.contracts.base.names import DIMENSIONS_MAX, Rule
from tallygate.contracts.base.reading import Contract, Judged, broken, rule
from tallygate.contracts.catalog.tiers import TIERS_MAX, Tiered, TierEntry, broken_tiers, in_order, percent_of
from tallygate.contracts.catalog.windows import Period, RateWindow, WindowEntry, broken_pair
from tallygate.domain.base.closest import did_you_mean
from tallygate.domain.catalog.carryover import FORGIVE, OVERAGE, carryover_form, carryover_of, nothing_carried
from tallygate.domain.catalog.catalog import RateTerms
from tallygate.domain.catalog.forms import Form, as_json
from tallygate.domain.catalog.tiers import Enforcement as Mode
from tallygate.domain.limits.capacity import QUOTAS_PER_WRITE_MAX, RATES_PER_WRITE_MAX
from tallygate.errors import FieldError

WINDOWS_MAX = QUOTAS_PER_WRITE_MAX + RATES_PER_WRITE_MAX
EXPIRES_AFTER_MAX = 120
PERIODS_MAX = 1_000
PERCENT_MAX = 100 * PERIODS_MAX
API_KEY = "api_key"
"""The dimension that is set from the caller's credential. Meters need not declare it."""
SHORT_FORM = ("limit", "period", "rate")


def _free(value: str) -> Rule | None:
    detail = "a free dimension is not available in this version; give a fixed value"
    return ("not_available", detail) if value == "*" else None


Scope = Annotated[dict[DimensionKey, Annotated[DimensionValue, kept(_free)]], Field(max_length=DIMENSIONS_MAX)]
Enforcement = Annotated[str, one_of(tuple(mode.value for mode in Mode))]


class CapOfPeriods(Contract):
    """A cap as a number of periods: that many times the base limit."""

    periods: int = Field(ge=1, le=PERIODS_MAX)


def _most(value: object) -> object:
    if value is None:
        return None
    if isinstance(value, dict):
        return CapOfPeriods.model_validate(value).model_dump()
    if isinstance(value, str) and value.endswith("%"):
        percent_of(value, PERCENT_MAX)
        return value
    try:
        return amount_of(value)
    except ValueError as error:
        if isinstance(value, str | int) and not isinstance(value, bool):
            raise
        detail = 'must be a quantity, a share of the base like "50%", {"periods": 3}, or null (no cap)'
        raise broken("type", detail) from error


_MOST_SCHEMA: dict[str, Any] = {
    "description": "The maximum carried: an amount, a share of the base, or a number of periods; null: no maximum.",
    "anyOf": [
        *AMOUNT_SCHEMA["anyOf"],
        {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?%$", "examples": ["50%"]},
        {
            "type": "object",
            "properties": {"periods": {"type": "integer", "minimum": 1, "maximum": PERIODS_MAX}},
            "required": ["periods"],
            "additionalProperties": False,
        },
        {"type": "null"},
    ],
}


class CarryoverEntry(Contract):
    """The unused part of every quota of the limit carries over, up to `max`, for `expires_after` periods.

    `{}` carries over everything without expiry. Usage beyond the total is forgiven, or deducted from the next period's
    total.
    """

    max: Annotated[Any, PlainValidator(_most), WithJsonSchema(_MOST_SCHEMA)] = None
    expires_after: Annotated[int, Field(ge=1, le=EXPIRES_AFTER_MAX)] | None = None
    overage: Annotated[str, one_of(OVERAGE)] = FORGIVE

    def form(self) -> Form:
        """Return the stored form, with defaults."""
        return carryover_form(carryover_of(as_json(self.model_dump())))


class Windowed(Judged):
    """The common part of entitlements and limits: windows (short form or list), enforcement, tiers, carryover."""

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
        """The windows of either form, each with either a quota or a rate."""
        if self.windows is not None:
            return self.windows
        quota = [WindowEntry.model_construct(_fields_set={"limit"}, limit=self.limit, period=self.period)]
        rate = [WindowEntry.model_construct(_fields_set={"rate"}, rate=self.rate)]
        return (quota if "limit" in self.model_fields_set else []) + (rate if self.rate is not None else [])

    @property
    def quotas(self) -> list[WindowEntry]:
        return [part for part in self.parts if part.limited]

    @property
    def rates(self) -> list[RateTerms]:
        return [part.rate.terms for part in self.parts if part.rate is not None]

    @property
    def tiered(self) -> list[Tiered]:
        """The quotas to which the tiers apply."""
        return [
            Tiered(limit=part.limit, ends=part.period is None or part.period.ends)
            for part in self.quotas
            if part.limit is not None and not part.rolls
        ]

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[FieldError]:
        yield from broken_pair(self) if self.windows is None else self.short_form_too()
        yield from self._repeated_windows()
        limited = [part for part in self.quotas if part.limit is not None]
        if self.tiers and not limited:
            yield rule("not_allowed", "need a quota with a limit", "tiers")
        elif self.tiers and not self.tiered:
            yield rule("not_available", "are not available for a rolling period in this version", "tiers")
        else:
            yield from broken_tiers(self.tiers, self.tiered)
        if self.carryover is not None:
            reasons = [nothing_carried(*part.counted) for part in limited] or ["needs a quota with a limit"]
            for reason in dict.fromkeys(filter(None, reasons)):
                yield rule("not_allowed", reason, "carryover")

    def short_form_too(self) -> Iterator[FieldError]:
        """Return an error for each field of the short form that is given together with `windows`."""
        for name in SHORT_FORM:
            if name in self.model_fields_set:
                yield rule("not_allowed", "is not allowed together with windows", name)

    def _repeated_windows(self) -> Iterator[FieldError]:
        at = ("windows",) if self.windows is not None else ()
        counted = Counter(part.counted for part in self.quotas)
        for every, _ in sorted(name for name, count in counted.items() if count > 1):
            yield rule(
                "repeated", f"two windows of this limit have the period {every}; only the lower would decide", *at
            )
        widths = Counter(rate.width for rate in self.rates)
        for width in sorted(width for width, count in widths.items() if count > 1):
            detail = f"two rates of this limit refill their burst in {width} ms; only the lower would decide"
            yield rule("repeated", detail, *at)

    def window_forms(self) -> Form:
        """Return the stored form of windows, tiers and carryover."""
        return {
            "enforcement": self.enforcement,
            "windows": [part.form() for part in self.parts],
            "tiers": [tier.form() for tier in in_order(self.tiers, self.tiered)],
            "carryover": None if self.carryover is None else self.carryover.form(),
        }


def broken_scope(scope: Mapping[str, str], dimensions: Collection[str] | None) -> Iterator[FieldError]:
    """Return an error for each dimension of a scope that the feature's meter does not declare.

    dimensions: the declared ones; None: unknown, no error

    No event would ever match a scope with an undeclared dimension.
    """
    for name in scope:
        if dimensions is not None and name not in dimensions and name != API_KEY:
            detail = f"the feature's meter has no dimension {name}{did_you_mean(name, dimensions)}"
            yield rule("unknown_reference", detail, "scope", name)
