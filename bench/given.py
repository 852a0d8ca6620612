"""What the measured functions get: customers and a feature in the table, and requests as the gateway sends them."""

from __future__ import annotations

import contextlib
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from tallygate.domain.catalog.catalog import Feature
from tallygate.domain.catalog.forms import feature_form, meter_form
from tallygate.domain.catalog.rates import Rate
from tallygate.domain.limits.limits import Effective, Entitlement, Limit, Quota
from tallygate.domain.metering.meters import Meter
from tallygate.domain.periods.recurrence import calendar
from tallygate.storage.base import keys
from tallygate.storage.base.documents import compact
from tallygate.storage.base.engine import Engine, Key, Put
from tallygate.storage.limits.versions import effective_document

ROOT = Path(__file__).resolve().parent.parent
FEATURE = "ai-tokens"
DIMENSIONS = {name: (name,) for name in ("team", "user", "model")}


def customer(engine: Engine, name: str, *, limit: int, windows: int = 1) -> None:
    """Store a customer with this number of quotas and rates on one feature."""
    own = Quota(ordinal=1, limit=Decimal(limit), schedule=calendar("month", "UTC"))
    further = tuple(
        Limit(
            name=f"limit-{n}",
            quotas=(Quota(ordinal=n, limit=Decimal(limit), schedule=calendar("day", "UTC")),) if n > 1 else (),
            rates=(Rate(ordinal=50 + n, limit=Decimal(10**9), per=60_000, burst=Decimal(10**9)),),
        )
        for n in range(1, windows + 1)
    )
    right = Entitlement(feature=FEATURE, meter="tokens", limits=(Limit(name=FEATURE, quotas=(own,)), *further))
    effective = Effective(
        customer=name,
        version=1,
        timezone="UTC",
        plan="pro",
        plan_version=1,
        subscribed=True,
        entitlements={FEATURE: right},
    )
    engine.write(Put(key=keys.effective(name), item={"version": 1, "doc": effective_document(effective)}))


def feature(engine: Engine) -> None:
    """Store the feature that all requests use, with its meter, as a catalog does."""
    meter = Meter(
        key="tokens", event_type="llm.completion", aggregation="sum", value=("tokens",), dimensions=DIMENSIONS
    )
    entries: tuple[tuple[Key, Any], ...] = (
        (keys.catalog_meter(meter.key), meter_form(meter)),
        (keys.catalog_feature(FEATURE), feature_form(Feature(key=FEATURE, meter=meter.key))),
    )
    for key, form in entries:
        engine.write(Put(key=key, item={"form": compact(form)}))


def event(path: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    """A real HTTP API event with another body."""
    sample: dict[str, Any] = json.loads((ROOT / "events/check.consume.json").read_text())
    sample["routeKey"] = f"POST {path}"
    sample["headers"] = {**sample["headers"], **headers}
    sample["body"] = json.dumps(body)
    return sample


def posting(sent: list[dict[str, Any]]) -> dict[str, Any]:
    """A request of ingest with these events."""
    request = event("/v1/events", {})
    principal = {"lambda": {"key_id": "key_1", "scopes": "ingest", "customer": ""}}
    request["requestContext"] = {**request["requestContext"], "authorizer": principal}
    return {**request, "body": json.dumps(sent)}


def quiet() -> contextlib.AbstractContextManager[object]:
    """Suppress the functions' logs, which are not measured."""
    return contextlib.redirect_stdout(io.StringIO())
