"""Rates on the wire: those of limits, and those that a tier slows usage down to."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import WithJsonSchema, model_validator

from tallygate.contracts.fields import PositiveQuantity, one_of
from tallygate.contracts.reading import Contract, broken
from tallygate.domain.catalog import RateTerms
from tallygate.domain.catalog_forms import Form
from tallygate.domain.instants import DAY, SECOND
from tallygate.domain.rates import PER

RATE_WIDTH_MAX = 366 * DAY
"""A rate that takes longer than this to refill its burst is a quota."""
Per = Annotated[str, one_of(tuple(PER)), WithJsonSchema({"enum": list(PER)})]


class RateWindow(Contract):
    """At most burst + limit × T ÷ per units in any interval T; burst defaults to the limit."""

    limit: PositiveQuantity
    per: Per
    burst: PositiveQuantity | None = None

    @property
    def terms(self) -> RateTerms:
        return RateTerms(limit=self.limit, per=self.per, burst=self.limit if self.burst is None else self.burst)

    @model_validator(mode="after")
    def _burst_in_bounds(self) -> Self:
        if self.terms.width < SECOND:
            raise broken("out_of_range", "must be at least what the rate allows in one second", at="burst")
        if self.terms.width > RATE_WIDTH_MAX:
            raise broken("out_of_range", "must be at most what the rate allows in 366 days", at="burst")
        return self


def rate_form(terms: RateTerms) -> Form:
    """A rate in the stored form."""
    return {"limit": terms.limit, "per": terms.per, "burst": terms.burst}
