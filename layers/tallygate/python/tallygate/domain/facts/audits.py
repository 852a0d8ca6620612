"""The audit trail: who changed what in the control plane, when and why, with the state before and after.

Each customer has a trail for changes of that customer. Changes of the catalog, keys, endpoints and the clock are in the
stack's trail: their entries name no customer.

An entry is written in the same transaction as its change, so neither exists without the other. The entry is also the
outbox of the facts about the change. The facts' ids derive from the entry's id, so each fact is sent once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tallygate.domain.base.instants import Instant, format_instant
from tallygate.domain.entries import fact_types
from tallygate.domain.facts.facts import Announcement, fact_id
from tallygate.domain.limits.suspensions import OPERATOR
from tallygate.domain.metering.rejections import Rejection

SUSPENDED, RESUMED, ADJUSTED = "suspended", "resumed", "adjusted"
FACTS = {SUSPENDED: fact_types.SUSPENDED, RESUMED: fact_types.RESUMED}
SUSPENDED_BY_TIER = "suspended_by_tier"
"""A suspension by a tier. No caller requested it; the entry comes from the cell's write."""
SUBSCRIPTION_CHANGED = "subscription_changed"
EVERY_FEATURE = "*"
"""The feed of facts about the whole customer. Other feeds have the name of a feature."""
NO_LEVEL = ""
CUSTOMER_CREATED, CUSTOMER_CHANGED = "customer_created", "customer_changed"
LIMIT_SET, LIMIT_REMOVED = "limit_set", "limit_removed"
CATALOG_CHANGED = "catalog_changed"
KEY_CREATED, KEY_ROTATED, KEY_REVOKED = "key_created", "key_rotated", "key_revoked"
ENDPOINT_CREATED, ENDPOINT_ROTATED, ENDPOINT_DELETED = "endpoint_created", "endpoint_rotated", "endpoint_deleted"
CLOCK_MOVED = "clock_moved"

Form = Mapping[str, Any]
"""A JSON object in its wire form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One entry of an audit trail.

    customer: the customer whose trail has the entry; None: the stack's trail
    action: one of the action names of this module
    actor: the actor that the request states; else the id of the API key
    key_id: the API key of the request; None: no request (a tier suspended usage)
    about: what the change acted on, besides the feature
    before, after: the state before and after; None: it did not exist then
    """

    id: str
    customer: str | None
    at: Instant
    action: str
    actor: str
    key_id: str | None
    reason: str
    feature: str | None = None
    about: Form = field(default_factory=dict)
    before: Form | None = None
    after: Form | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """The author of a change whose request states no actor: the API key. `id` is the id of the future entry."""

    id: str
    key_id: str
    at: Instant

    def entry(
        self, action: str, about: Form, *, customer: str | None = None, before: Form | None = None, after: Form | None
    ) -> Audit:
        """Return the entry of a change by this author. Without a customer it belongs to the stack's trail."""
        return Audit(
            id=self.id,
            customer=customer,
            at=self.at,
            action=action,
            actor=self.key_id,
            key_id=self.key_id,
            reason="",
            about=about,
            before=before,
            after=after,
        )


def announced(audit: Audit) -> Announcement | None:
    """Return the fact that an entry announces; None: it announces none.

    Subscription changes and the begin and end of suspensions are announced. A new reason for a suspension is not. The
    fact of an adjustment comes from the write to its cell.
    """
    if audit.action == SUBSCRIPTION_CHANGED:
        return _subscription_changed(audit)
    if audit.action not in FACTS or (audit.before is None) == (audit.after is None):
        return None
    suspension = audit.after or audit.before
    assert suspension is not None
    assert audit.customer is not None
    return Announcement(
        id=fact_id("audit", audit.id),
        type=FACTS[audit.action],
        customer=audit.customer,
        feature=audit.feature if audit.feature is not None else EVERY_FEATURE,
        level=NO_LEVEL,
        data={
            "customer": audit.customer,
            "feature": audit.feature,
            "scope": audit.about.get("scope", {}),
            "reason": audit.reason,
            "actor": audit.actor,
            "by": OPERATOR,
            "since": suspension["since"],
        },
    )


def _subscription_changed(audit: Audit) -> Announcement:
    """Return the fact about a change of subscription. A plan of null means no subscription."""
    before, after, about = audit.before or {}, audit.after or {}, audit.about
    assert audit.customer is not None
    return Announcement(
        id=fact_id("audit", audit.id),
        type=fact_types.SUBSCRIPTION_CHANGED,
        customer=audit.customer,
        feature=EVERY_FEATURE,
        level=NO_LEVEL,
        data={
            "customer": audit.customer,
            "feature": None,
            "plan": after.get("plan"),
            "plan_version": after.get("version"),
            "version": after.get("version"),
            "previous_plan": before.get("plan"),
            "previous_plan_version": before.get("version"),
            "previous_version": before.get("version"),
            "effective": about["effective"],
            "at": about["effective_at"],
            "usage": about["usage"],
            "base": about["base"],
            "replaces": about["replaces"],
            "actor": audit.actor,
        },
    )


def rejection_announced(rejection: Rejection) -> Announcement:
    """Return the fact about a stored rejection. Its id derives from the rejection's key, so it is sent once."""
    return Announcement(
        id=fact_id("rejected", rejection.owner, rejection.minute, rejection.code, int(rejection.accepted)),
        type=fact_types.REJECTED,
        customer=rejection.owner,
        feature=EVERY_FEATURE,
        level=NO_LEVEL,
        data={
            "customer": rejection.customer,
            "feature": None,
            "code": rejection.code,
            "detail": rejection.detail,
            "event": {
                "id": rejection.id,
                "source": rejection.source,
                "type": rejection.type,
                "subject": rejection.subject,
                "time": None if rejection.time is None else format_instant(rejection.time),
            },
            "received_at": format_instant(rejection.at),
            "accepted_before": rejection.accepted,
            "others": rejection.others,
        },
    )
