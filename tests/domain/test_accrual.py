"""Accrual under suspensions by hand: of the limits in force, and of those of a plan that follows."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tallygate.domain.base.instants import DAY
from tallygate.domain.catalog.carryover import Carryover
from tallygate.domain.limits.bases import with_suspensions
from tallygate.domain.limits.limits import Effective, Next, Quota
from tallygate.domain.limits.rollover import Stretch
from tallygate.domain.limits.suspensions import Suspension
from tests.given import FEATURE, NOW, effective, quota

TEN, TWENTY = Decimal(10), Decimal(20)
STOPPED = (Suspension(feature=FEATURE, reason="abuse", actor="ops", since=NOW),)


def carrying(limit: int, *stretches: Stretch, bases: tuple[Stretch, ...] = ()) -> Effective:
    """A customer whose quota by the day carries over."""
    limits = effective(replace(quota(limit, every="day"), stretches=stretches, bases=bases))
    right = limits.entitlements[FEATURE]
    own = replace(right.limits[0], carryover=Carryover())
    return replace(limits, entitlements={FEATURE: replace(right, limits=(own,))})


def own_quota(limits: Effective) -> Quota:
    return limits.entitlements[FEATURE].quota


def test_a_plan_that_follows_remembers_when_nothing_accrued_before_it() -> None:
    at = NOW + 20 * DAY
    later = carrying(20, Stretch(NOW - DAY, TEN), Stretch(at, TWENTY))
    limits = replace(carrying(10, Stretch(NOW - DAY, TEN)), next=Next(at=at, effective=later))
    stopped = with_suspensions(limits, STOPPED, NOW)
    assert own_quota(stopped.in_force(at)).stretches == (Stretch(NOW - DAY, TEN), Stretch(NOW, None))
    resumed = with_suspensions(stopped, (), NOW + 5 * DAY)
    assert own_quota(resumed.in_force(at)).stretches == (
        Stretch(NOW - DAY, TEN),
        Stretch(NOW, None),
        Stretch(NOW + 5 * DAY, TEN),
        Stretch(at, TWENTY),
    )
    assert resumed.next is not None and resumed.next.effective.suspensions == ()


def test_what_accrues_again_is_the_base_of_the_window_and_of_those_to_come() -> None:
    held = (Stretch(NOW - DAY, TWENTY), Stretch(NOW + 9 * DAY, TEN))
    limits = carrying(10, *held, bases=held)
    stopped = with_suspensions(limits, STOPPED, NOW)
    assert own_quota(stopped).stretches == (Stretch(NOW - DAY, TWENTY), Stretch(NOW, None))
    resumed = with_suspensions(stopped, (), NOW + DAY)
    assert own_quota(resumed).stretches[2:] == (Stretch(NOW + DAY, TWENTY), Stretch(NOW + 9 * DAY, TEN))


def test_another_reason_for_the_same_suspension_changes_no_accrual() -> None:
    stopped = with_suspensions(carrying(10, Stretch(NOW - DAY, TEN)), STOPPED, NOW)
    again = with_suspensions(stopped, (replace(STOPPED[0], reason="unpaid"),), NOW + DAY)
    assert own_quota(again) == own_quota(stopped)
