"""The audit trail: what was changed in the control plane, by whom, when and why, and how it was before and after.

Changes of one customer are in that customer's trail. Changes of the catalog, of keys, endpoints and the clock are in
the stack's own trail: their entries name no customer.

An entry is written in the transaction of the change that it tells of, so there is none without the other. It is the
outbox of the facts that the change makes known: their ids come from the entry's, so that each leaves once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tallygate.domain.base.instants import Instant, format_instant
from tallygate.domain.facts.facts import Announcement, fact_id
from tallygate.domain.limits.suspensions import OPERATOR
from tallygate.domain.metering.rejections import Rejection

SUSPENDED, RESUMED, ADJUSTED = "suspended", "resumed", "adjusted"
FACTS = {SUSPENDED: "entitlement.suspended", RESUMED: "entitlement.resumed"}
SUSPENDED_BY_TIER = "suspended_by_tier"
"""Nobody's act, but of a limit: it is told from the cell's write, and kept here beside what people did."""
SUBSCRIPTION_CHANGED, CHANGED_FACT = "subscription_changed", "subscription.changed"
EVERY_FEATURE = "*"
"""Names the sequence of facts that concern the whole customer, since a feed has the name of a feature."""
NO_LEVEL = ""
CUSTOMER_CREATED, CUSTOMER_CHANGED = "customer_created", "customer_changed"
LIMIT_SET, LIMIT_REMOVED = "limit_set", "limit_removed"
CATALOG_CHANGED = "catalog_changed"
KEY_CREATED, KEY_ROTATED, KEY_REVOKED = "key_created", "key_rotated", "key_revoked"
ENDPOINT_CREATED, ENDPOINT_ROTATED, ENDPOINT_DELETED = "endpoint_created", "endpoint_rotated", "endpoint_deleted"
CLOCK_MOVED = "clock_moved"

Form = Mapping[str, Any]
"""JSON as it goes over the wire."""
REJECTED_FACT = "usage.rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One entry.

    customer: whose trail it is in; None: the stack's own
    actor: who the caller says that it is; the key's id where the request names nobody
    key_id: the API key that asked; None: nobody asked (a tier suspended)
    about: what was acted on, beside the feature
    before, after: how it was and is; None: it was not there, or is not any more
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
    """Who makes a change that names nobody: the API key. `id` is the id that the change's entry is to have."""

    id: str
    key_id: str
    at: Instant

    def entry(
        self, action: str, about: Form, *, customer: str | None = None, before: Form | None = None, after: Form | None
    ) -> Audit:
        """The entry of a change by this author; without a customer it is one of the stack's own."""
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
    """What the entry makes known: that a suspension began or ended, not that another reason was given for it. An
    adjustment is told from its cell's write."""
    if audit.action == SUBSCRIPTION_CHANGED:
        return _subscription_changed(audit)
    if audit.action not in FACTS or (audit.before is None) == (audit.after is None):
        return None
    stood = audit.after or audit.before
    assert stood is not None
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
            "since": stood["since"],
        },
    )


def _subscription_changed(audit: Audit) -> Announcement:
    """From which plan to which, and when: a plan of null is no subscription."""
    before, after, about = audit.before or {}, audit.after or {}, audit.about
    assert audit.customer is not None
    return Announcement(
        id=fact_id("audit", audit.id),
        type=CHANGED_FACT,
        customer=audit.customer,
        feature=EVERY_FEATURE,
        level=NO_LEVEL,
        data={
            "customer": audit.customer,
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
    """What a rejection makes known. Its id comes from the rejection's place, so it is told once."""
    return Announcement(
        id=fact_id("rejected", rejection.owner, rejection.minute, rejection.code, int(rejection.accepted)),
        type=REJECTED_FACT,
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
