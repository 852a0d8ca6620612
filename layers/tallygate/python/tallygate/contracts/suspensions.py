"""Suspensions and the audit trail on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from tallygate.contracts.catalog_whole import known_of
from tallygate.contracts.fields import FeatureKey, Words
from tallygate.contracts.limits import Scope, broken_scope
from tallygate.contracts.reading import Contract, broken, invalid_fields, pointer
from tallygate.domain.audits import Audit
from tallygate.domain.catalog import Catalog
from tallygate.domain.decision import Decision, Reason
from tallygate.domain.instants import format_instant
from tallygate.domain.suspensions import Suspension
from tallygate.errors import FieldError

BY_HAND, BY_TIER = "manual", "tier"


class SuspensionBody(Contract):
    """What to suspend or resume: the whole customer, a feature, or one scope of a feature; why, and who asks."""

    feature: FeatureKey | None = None
    scope: Scope = Field(default_factory=dict)
    reason: Words
    actor: Words

    @model_validator(mode="after")
    def _sound(self) -> Self:
        given = self.model_fields_set
        if "scope" in given and self.feature is None:
            raise broken("not_allowed", "is one of a feature: name the feature, or leave the scope out", at="scope")
        if "scope" in given and not self.scope:
            raise broken("length", "must have at least 1 dimension: leave it out to mean the whole feature", at="scope")
        return self


def judge(catalog: Catalog, feature: str, scope: Mapping[str, str]) -> None:
    """Raises InvalidRequest where there is no such feature, or no usage of it that the scope could govern."""
    known = known_of(catalog)
    if feature not in known["feature"]:
        detail = f"there is no feature {feature}"
        raise invalid_fields((FieldError(pointer="/feature", code="feature_not_found", detail=detail),))
    rules = list(broken_scope(scope, known["dimensions"].get(feature)))
    if rules:
        raise invalid_fields(tuple(FieldError(pointer=pointer(*s), code=code, detail=rule) for s, code, rule in rules))


def suspension_answer(suspension: Suspension) -> dict[str, Any]:
    """A suspension by hand; a feature of null is the whole customer."""
    return {
        "feature": suspension.feature,
        "scope": dict(suspension.scope),
        "reason": suspension.reason,
        "actor": suspension.actor,
        "since": format_instant(suspension.since),
        "by": BY_HAND,
    }


def suspended_answer(decision: Decision) -> dict[str, Any] | None:
    """What suspends the decision's feature; null: nothing. Of one by a tier the cell knows until when it is, and
    the audit trail the rest."""
    if decision.suspension is not None:
        return {**suspension_answer(decision.suspension), "until": None}
    if decision.reason is not Reason.SUSPENDED:
        return None
    untold = {"reason": None, "actor": None, "since": None}
    until = None if decision.retry_at is None else format_instant(decision.retry_at)
    return {"feature": decision.feature, "scope": {}, **untold, "by": BY_TIER, "until": until}


def audit_answer(audit: Audit) -> dict[str, Any]:
    """An entry of the audit trail: who did what, when and why, and how it stood before and after."""
    return {
        "id": audit.id,
        "customer": audit.customer,
        "at": format_instant(audit.at),
        "action": audit.action,
        "feature": audit.feature,
        "actor": audit.actor,
        "reason": audit.reason,
        **audit.about,
        "before": None if audit.before is None else dict(audit.before),
        "after": None if audit.after is None else dict(audit.after),
    }
