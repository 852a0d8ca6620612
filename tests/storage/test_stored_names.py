"""The stored names of items and of the limits in force, pinned: a field that is renamed in the domain is noticed here.

An item holds more than one class's attributes, so a name that nobody reads cannot be refused there.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from typing import Any

import pytest

import tallygate.storage
from tallygate.domain.catalog.features import Setting, Switch
from tallygate.domain.catalog.rates import Rate
from tallygate.domain.limits.follows import FollowedWindow, Follows, Reign, Source
from tallygate.domain.limits.limits import Earned, Effective, Entitlement, Limit, Next, Quota
from tallygate.domain.limits.rollover import CarryRule, Stretch
from tallygate.domain.limits.suspensions import Suspension
from tallygate.domain.periods.recurrence import Schedule, Segment
from tallygate.storage.base.attributes import Attributes
from tallygate.storage.limits.versions import effective_document, effective_of

IN_FORCE: dict[Any, str] = {
    Earned: "until base",
    Effective: "customer version timezone plan plan_version subscribed stripe_customer_id entitlements fixed ordinals "
    "retired frozen frozen_rules suspensions earned reigns followings next since",
    Entitlement: "feature meter limits upgrade_to merge",
    FollowedWindow: "start end since sources past absolute excludes",
    Follows: "number live at ordinals windows",
    Limit: "name scope enforcement quotas rates tiers carryover",
    Next: "at effective",
    Quota: "ordinal limit schedule stretches bases rules follows",
    Rate: "ordinal limit per burst",
    Schedule: "segments",
    Segment: "every zone since anchor origin week_starts covered",
    Setting: "feature value",
    Suspension: "feature scope reason actor since",
    Switch: "feature enabled",
    CarryRule: "since carryover",
    Reign: "since ordinal",
    Source: "ordinal start seen",
    Stretch: "since base",
}
ITEMS = {
    "Adjustment": "customer feature amount reason actor name ordinal window after resumed category",
    "ApiKey": "key_id name scopes customer expires_at_ms created_at",
    "Audit": "customer action actor key_id reason feature about before after",
    "Customer": "name timezone subject_keys stripe_customer_id metadata created_at changed_at",
    "Delivery": "status attempts created_at due_at claimed_by history",
    "Endpoint": "url events scheme secrets status created_at disabled_reason",
    "Event": "customer source id type subject time received_at data fingerprint batch ext traceparent",
    "Fact": "type customer feature time sequence data traceparent",
    "Rejection": "customer code detail received_at id source type subject time status others accepted journaled",
    "Settlement": "granted amount settled_at",
    "Subscription": "plan started_at ended_at pending",
    "Total": "customer ordinal start end value by_event upto carried adjusted excluded followed would_n would_q "
    "revision unit layers opened_after carried_out adjustments traceparent",
}


@pytest.mark.parametrize("kind", IN_FORCE, ids=lambda kind: kind.__name__)
def test_the_limits_in_force_are_stored_under_these_names(kind: Any) -> None:
    names = kind._fields if issubclass(kind, tuple) else [f.name for f in dataclasses.fields(kind) if f.init]
    assert sorted(names) == sorted(IN_FORCE[kind].split())


def test_a_field_that_nothing_reads_refuses_the_limits_in_force() -> None:
    document = effective_document(Effective(customer="acme", version=1, timezone="UTC", plan="pro"))
    assert effective_of({"doc": document, "version": 1}).plan == "pro"
    with pytest.raises(LookupError):
        effective_of({"doc": document.replace('"plan"', '"tariff"'), "version": 1})


def test_items_are_stored_under_these_names() -> None:
    found: dict[str, list[str]] = {}
    for module in pkgutil.walk_packages(tallygate.storage.__path__, "tallygate.storage."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Attributes):
                found[value._kind.__name__] = sorted(field.stored for field in value._fields())
    assert found == {name: sorted(stored.split()) for name, stored in ITEMS.items()}
