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
from tallygate.domain.decision import Decision
from tallygate.domain.instants import format_instant
from tallygate.domain.rungs import UNTIL_TOP_UP
from tallygate.domain.suspensions import OPERATOR, TIER, Suspension, waiver_form
from tallygate.domain.tier_suspensions import TierStop, suspended_because, waivers_in
from tallygate.errors import FieldError


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
    """A suspension by an operator; a feature of null is the whole customer. It has no limit, and no time ends it."""
    return {
        "feature": suspension.feature,
        "scope": dict(suspension.scope),
        "by": OPERATOR,
        "reason": suspension.reason,
        "actor": suspension.actor,
        "limit": None,
        "level": None,
        "since": format_instant(suspension.since),
        "until": None,
    }


def tier_suspension_answer(stop: TierStop) -> dict[str, Any]:
    """A suspension by a tier, in the same form; `until` null: until somebody resumes, or a top-up."""
    known = stop.level is not None and stop.limit is not None
    return {
        "feature": stop.feature,
        "scope": dict(stop.scope),
        "by": TIER,
        "reason": suspended_because(stop.level or "", stop.limit or "") if known else None,
        "actor": TIER,
        "limit": stop.limit,
        "level": stop.level,
        "since": None if stop.since is None else format_instant(stop.since),
        "until": format_instant(stop.until) if stop.until < UNTIL_TOP_UP else None,
    }


def suspended_answer(decision: Decision) -> dict[str, Any] | None:
    """What suspends the decision's feature; null: nothing."""
    if decision.suspension is not None:
        return suspension_answer(decision.suspension)
    return None if decision.stopped is None else tier_suspension_answer(decision.stopped)


def waived_answer(decision: Decision) -> list[dict[str, Any]]:
    """What a resume has waived of the decision's feature, in the periods that run."""
    grounds = decision.grounds
    if grounds is None or grounds.cell is None:
        return []
    waivers = waivers_in(grounds.cell, grounds.effective, decision.feature, decision.as_of)
    return [waiver_form(waiver) for waiver in waivers]


def audit_answer(audit: Audit) -> dict[str, Any]:
    """An entry of the audit trail: who did what, when and why, and how it was before and after.

    `key_id` is the API key that asked; null where a tier acted. `customer` is null for a change of the stack itself.
    """
    return {
        "id": audit.id,
        "customer": audit.customer,
        "at": format_instant(audit.at),
        "action": audit.action,
        "feature": audit.feature,
        "actor": audit.actor,
        "key_id": audit.key_id,
        "reason": audit.reason,
        **audit.about,
        "before": None if audit.before is None else dict(audit.before),
        "after": None if audit.after is None else dict(audit.after),
    }
