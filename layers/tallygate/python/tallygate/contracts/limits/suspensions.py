"""Suspensions on the wire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from tallygate.contracts.base.answers import JSON, fields_of, time
from tallygate.contracts.base.fields import FeatureKey, Words
from tallygate.contracts.base.reading import Judged, invalid_fields, refused, rule
from tallygate.contracts.catalog.catalog import known_of
from tallygate.contracts.catalog.limits import Scope, broken_scope
from tallygate.domain.admission.tier_suspensions import TierStop, suspended_because
from tallygate.domain.base.instants import format_instant
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
        raise refused("feature_not_found", f"there is no feature {feature}", "feature")
    if rules := list(broken_scope(scope, known["dimensions"].get(feature))):
        raise invalid_fields(rules)


def suspension_answer(suspension: Suspension) -> JSON:
    """Return a suspension by an operator as JSON. `feature` null: the whole customer. It lasts until a resume."""
    return {
        **fields_of(suspension, "feature scope reason actor"),
        "by": OPERATOR,
        "limit": None,
        "level": None,
        "since": format_instant(suspension.since),
        "until": None,
    }


def tier_suspension_answer(stop: TierStop) -> JSON:
    """Return a suspension by a tier, in the same form. `until` null: until a resume or a top-up."""
    known = stop.level is not None and stop.limit is not None
    return {
        **fields_of(stop, "feature scope limit level"),
        "by": TIER,
        "reason": suspended_because(stop.level or "", stop.limit or "") if known else None,
        "actor": TIER,
        "since": time(stop.since),
        "until": time(stop.until if stop.until < UNTIL_TOP_UP else None),
    }
