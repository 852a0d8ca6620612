"""Plans of two features, and their limits compiled."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from tallygate.domain.base.instants import of_datetime
from tallygate.domain.catalog.catalog import Catalog, Feature, Plan, PlanLimit, QuotaTerms, RateTerms
from tallygate.domain.limits.compiled import Dates, compile_effective
from tallygate.domain.limits.limits import Effective

NOW = of_datetime(datetime(2026, 1, 31, 12, tzinfo=UTC))
FEATURES = ("f", "g")
CATALOG = Catalog(features=tuple(Feature(key=key, meter=f"{key}-meter") for key in FEATURES))


def limit(feature: str, *windows: QuotaTerms | RateTerms, name: str | None = None) -> PlanLimit:
    return PlanLimit(
        name=name or feature,
        feature=feature,
        quotas=tuple(window for window in windows if isinstance(window, QuotaTerms)),
        rates=tuple(window for window in windows if isinstance(window, RateTerms)),
    )


def month(amount: int | None, zone: str | None = None) -> QuotaTerms:
    return QuotaTerms(limit=None if amount is None else Decimal(amount), every="month", zone=zone)


def rate(amount: int, per: str = "minute", burst: int | None = None) -> RateTerms:
    return RateTerms(limit=Decimal(amount), per=per, burst=Decimal(burst or amount))


def compiled(
    plan: Plan | None,
    previous: Effective | None = None,
    *,
    zone: str = "UTC",
    now: int = NOW,
    catalog: Catalog = CATALOG,
    started_at: int = NOW,
    lapsed_at: int | None = None,
    at_once: bool = False,
) -> Effective:
    dates = Dates(zone=zone, now=now, started_at=started_at, lapsed_at=lapsed_at, at_once=at_once)
    return compile_effective(customer="acme", previous=previous, dates=dates, plan=plan, catalog=catalog)


BASIC = Plan(key="basic", version=1, entitlements=(limit("f", month(10), rate(5)),))
PRO = Plan(
    key="pro",
    version=1,
    entitlements=(limit("f", month(100), rate(50)), limit("g", rate(7))),
    limits=(limit("f", rate(50, burst=100), QuotaTerms(limit=Decimal(9), every="day"), name="extra"),),
)
