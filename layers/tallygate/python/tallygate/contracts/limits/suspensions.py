"""Suspensions on the wire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from tallygate.contracts.base.answers import JSON
from tallygate.contracts.base.bodies import AnswerBody, EndOut, TimeOut
from tallygate.contracts.base.described import LEFT_OUT
from tallygate.contracts.base.fields import FeatureKey, Words
from tallygate.contracts.base.reading import Judged, invalid_fields, refused, rule
from tallygate.contracts.catalog.catalog import known_of
from tallygate.contracts.catalog.limits import Scope, broken_scope
from tallygate.domain.admission.tier_suspensions import TierStop, suspended_because
from tallygate.domain.base.closest import did_you_mean
from tallygate.domain.catalog.catalog import Catalog
from tallygate.domain.limits.rungs import UNTIL_TOP_UP
from tallygate.domain.limits.suspensions import OPERATOR, TIER, Suspension
from tallygate.errors import FieldError


class SuspensionBody(Judged):
    """A suspension or resume of the whole customer, a feature, or one scope of a feature.

    `reason` and `actor` are for the audit trail.
    """

    feature: FeatureKey | None = None
    scope: Scope = Field(default_factory=dict)
    reason: Words
    actor: Words

    def rules_broken(self, _known: Mapping[str, Any]) -> Iterator[FieldError]:
        if "scope" in self.model_fields_set and self.feature is None:
            yield rule("not_allowed", "is only allowed together with a feature", "scope")
        elif "scope" in self.model_fields_set and not self.scope:
            yield rule("length", "must have at least 1 dimension: leave it out for the whole feature", "scope")


def judge(catalog: Catalog, feature: str, scope: Mapping[str, str]) -> None:
    """Raise InvalidRequest if there is no such feature, or if its meter lacks a dimension of the scope."""
    known = known_of(catalog)
    if feature not in known["feature"]:
        raise refused(
            "feature_not_found", f"there is no feature {feature}{did_you_mean(feature, known['feature'])}", "feature"
        )
    if rules := list(broken_scope(scope, known["dimensions"].get(feature))):
        raise invalid_fields(rules)


class SuspensionAnswer(AnswerBody):
    """A suspension in force.

    feature: null: the whole customer
    scope: dimension values; empty: the whole feature or customer
    by: operator or tier
    limit: of a tier's suspension; null: not known
    level: of a tier's suspension; null: not known
    reason: null: not known
    since: null: not known
    until: null: until a resume or a top-up
    """

    feature: str | None
    scope: dict[str, str]
    by: Literal["operator", "tier"]
    limit: str | None
    level: str | None
    reason: str | None
    actor: str
    since: TimeOut | None
    until: TimeOut | None


class WaiverAnswer(AnswerBody):
    """Tiers of a limit that do not suspend again, because an operator resumed usage.

    levels: of the tiers
    waived_until: end of the limit's window; null: it never ends
    """

    feature: str
    limit: str
    scope: dict[str, str]
    levels: list[str]
    waived_until: EndOut


class SuspensionChange(AnswerBody):
    """What a suspend or resume did.

    feature: null: the whole customer
    suspended: the target's suspension by an operator; null: none
    lifted: features whose suspensions by tiers ended
    waived: tiers of the target that do not suspend again for now
    waived_until: earliest end of a waiver; null: none ends; absent without waivers
    changed: whether the call changed anything
    audit_id: id of the audit entry; null: nothing changed
    """

    customer: str
    feature: str | None
    scope: dict[str, str]
    suspended: SuspensionAnswer | None
    lifted: list[str]
    waived: list[WaiverAnswer]
    waived_until: EndOut = LEFT_OUT
    changed: bool
    audit_id: str | None


def suspension_answer(suspension: Suspension) -> JSON:
    """Return a suspension by an operator as JSON. It lasts until a resume."""
    return SuspensionAnswer.of(suspension, by=OPERATOR, limit=None, level=None, until=None)


def tier_suspension_answer(stop: TierStop) -> JSON:
    """Return a suspension by a tier as JSON."""
    known = stop.level is not None and stop.limit is not None
    return SuspensionAnswer.of(
        stop,
        by=TIER,
        reason=suspended_because(stop.level or "", stop.limit or "") if known else None,
        actor=TIER,
        until=stop.until if stop.until < UNTIL_TOP_UP else None,
    )
