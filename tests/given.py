"""Customers, limits and requests for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from tallygate.domain.admission.decision_ids import SECRET_BYTES, Secret
from tallygate.domain.base.instants import MINUTE, Instant, parse_instant
from tallygate.domain.catalog.catalog import Feature
from tallygate.domain.catalog.forms import feature_form, meter_form
from tallygate.domain.catalog.rates import Rate
from tallygate.domain.catalog.tiers import Enforcement, Tier, percent
from tallygate.domain.entries.notices import TidyEntry
from tallygate.domain.limits.limits import (
    Effective,
    Entitlement,
    Limit,
    Quota,
)
from tallygate.domain.metering.meters import Meter
from tallygate.domain.periods.recurrence import calendar
from tallygate.operations.admission.attempts import Consume
from tallygate.storage.admission.secrets import make_secret, read_secret
from tallygate.storage.base import keys
from tallygate.storage.base.documents import compact
from tallygate.storage.base.engine import Engine, Put
from tallygate.storage.base.expressions import Item
from tallygate.storage.limits.versions import effective_document

NOW = parse_instant("2026-11-20T10:00:00Z")
FEATURE = "ai-tokens"
METER = "tokens"
ENTRY = TidyEntry(feature=FEATURE, time=NOW, floor=0)
"""An entry for tests in which its kind does not matter."""
COUNTED = Meter(
    key=METER,
    event_type="llm.completion",
    aggregation="sum",
    value=("tokens",),
    dimensions={name: (name,) for name in ("model", "team", "user")},
)


def quota(limit: int | str | None, *, ordinal: int = 1, every: str = "month", zone: str = "UTC") -> Quota:
    return Quota(ordinal=ordinal, limit=None if limit is None else Decimal(limit), schedule=calendar(every, zone))


def rate(limit: int | str, *, per: Instant = MINUTE, burst: int | str | None = None, ordinal: int = 9) -> Rate:
    return Rate(ordinal=ordinal, limit=Decimal(limit), per=per, burst=Decimal(limit if burst is None else burst))


def entitlement(
    *quotas: Quota,
    rates: tuple[Rate, ...] = (),
    tiers: Mapping[str, int] | None = None,
    enforcement: str = "hard",
    hysteresis: Mapping[str, int] | None = None,
) -> Entitlement:
    """The feature's entitlement: the first quota is its own limit, with `enforcement`; others are further limits."""
    bands = {level: percent(band) for level, band in (hysteresis or {}).items()}
    levels = tuple(
        Tier(level=level, at=percent(at), hysteresis=bands.get(level)) for level, at in (tiers or {}).items()
    )
    own = Limit(
        name=FEATURE,
        quotas=quotas[:1] or (quota(1000),),
        rates=rates,
        tiers=levels,
        enforcement=Enforcement(enforcement),
    )
    further = tuple(Limit(name=f"further-{q.ordinal}", quotas=(q,)) for q in quotas[1:])
    return Entitlement(feature=FEATURE, meter=METER, limits=(own, *further))


def effective(
    *quotas: Quota,
    customer: str = "acme",
    rates: tuple[Rate, ...] = (),
    tiers: Mapping[str, int] | None = None,
    version: int = 1,
    subscribed: bool = True,
    timezone: str = "UTC",
    enforcement: str = "hard",
    hysteresis: Mapping[str, int] | None = None,
) -> Effective:
    """A subscribed customer with one metered feature."""
    right = entitlement(*quotas, rates=rates, tiers=tiers, enforcement=enforcement, hysteresis=hysteresis)
    return Effective(
        customer=customer,
        version=version,
        timezone=timezone,
        plan="pro",
        plan_version=1,
        subscribed=subscribed,
        entitlements={FEATURE: right},
        ordinals={},
    )


def in_force(engine: Engine, limits: Effective) -> None:
    """Store the limits in force, and the feature with its meter in the catalog, as after an earlier decision."""
    known_to(engine)
    item: Item = {"version": limits.version, "doc": effective_document(limits)}
    engine.write(Put(key=keys.effective(limits.customer), item=item))
    metered(engine, COUNTED)
    sold(engine, Feature(key=FEATURE, meter=METER))


def known_to(engine: Engine) -> Secret:
    """The secret of decision ids, as a container remembers it. Make the secret if there is none."""
    held = read_secret(engine) or make_secret(engine, b"\x07" * SECRET_BYTES)
    return lambda: held


def metered(engine: Engine, meter: Meter) -> None:
    """Put a meter into the catalog, or replace it."""
    engine.write(Put(key=keys.catalog_meter(meter.key), item={"form": compact(meter_form(meter))}))


def sold(engine: Engine, feature: Feature) -> None:
    """Put a feature into the catalog, or replace it."""
    engine.write(Put(key=keys.catalog_feature(feature.key), item={"form": compact(feature_form(feature))}))


def scoped(*limits: Limit, own: Quota | None = None, rates: tuple[Rate, ...] = ()) -> Effective:
    """A subscribed customer whose entitlement has further limits, each over a scope."""
    limited = effective(own or quota(1000), rates=rates)
    right = limited.entitlements[FEATURE]
    return replace(limited, entitlements={FEATURE: replace(right, limits=(*right.limits, *limits))})


def wanted(
    amount: int | str = 1,
    *,
    customer: str = "acme",
    feature: str = FEATURE,
    request_id: str | None = None,
    idempotency_key: str | None = None,
) -> Consume:
    return Consume(
        customer=customer,
        feature=feature,
        amount=Decimal(amount),
        dimensions={"team": "eng"},
        request_id=request_id,
        idempotency_key=idempotency_key,
    )
