"""What a limit does about usage beyond it, as a customer could read it: one row, one promise."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tallygate.domain.admission import decide
from tallygate.domain.admission.cells import MARK_BYTES, WHOLE_FEATURE, Cell, RequestMark
from tallygate.domain.admission.decision import Decision, Reason
from tallygate.domain.admission.terms import terms
from tallygate.domain.base.instants import MINUTE
from tallygate.domain.limits.rungs import UNTIL_RESUMED
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.memory import MemoryEngine
from tests.containers import Clocked
from tests.given import FEATURE, NOW, effective, in_force, quota, rate, wanted


def asked(enforcement: str, *, used: int, amount: int, limit: int | None = 10) -> tuple[Decision, Decision]:
    """(check, consume) of an amount where `used` of the limit is used already."""
    engine = MemoryEngine()
    in_force(engine, effective(quota(None if limit is None else 10**6), enforcement="off"))
    container = Clocked(engine)
    if used:
        assert container.consume(wanted(used)).granted
    in_force(engine, effective(quota(limit), enforcement=enforcement, version=2, tiers={"critical": 100}))
    container = Clocked(engine)
    return container.check(wanted(amount)), container.consume(wanted(amount))


@pytest.mark.parametrize(
    ("enforcement", "limit", "used", "amount", "granted", "reason", "overage", "would_deny"),
    [
        ("hard", 10, 4, 6, True, "ok", 0, False),
        ("hard", 10, 4, 7, False, "quota_exceeded", 0, False),
        ("hard", 10, 12, 1, False, "quota_exceeded", 2, False),
        ("hard", 0, 0, 1, False, "quota_exceeded", 0, False),
        ("hard", None, 4, 7, True, "unlimited", 0, False),
        ("soft", 10, 4, 6, True, "ok", 0, False),
        ("soft", 10, 4, 7, True, "soft_limit_exceeded", 1, False),
        ("soft", 10, 12, 1, True, "soft_limit_exceeded", 3, False),
        ("soft", 0, 0, 1, True, "soft_limit_exceeded", 1, False),
        ("observe", 10, 4, 6, True, "ok", 0, False),
        ("observe", 10, 4, 7, True, "observed", 1, True),
        ("observe", 10, 12, 1, True, "observed", 3, True),
        ("off", 10, 4, 7, True, "ok", 1, False),
        ("off", 10, 12, 1, True, "ok", 3, False),
    ],
)
def test_what_each_mode_answers(
    enforcement: str,
    limit: int | None,
    used: int,
    amount: int,
    granted: bool,
    reason: str,
    overage: int,
    would_deny: bool,
) -> None:
    """check and consume agree on all of it; a denial counts nothing, a grant all of it, in every mode."""
    for decision in asked(enforcement, used=used, amount=amount, limit=limit):
        assert (decision.granted, decision.reason) == (granted, reason)
        assert decision.overage == overage
        assert (decision.would_reason is not None) is would_deny
    assert decision.quota is not None
    assert decision.quota.used == used + (amount if granted else 0)
    assert decision.quota.remaining is None or decision.quota.remaining >= 0


def test_only_a_limit_that_decides_bounds_what_can_be_granted() -> None:
    for enforcement, grantable in (("hard", Decimal(6)), ("soft", None), ("observe", None), ("off", None)):
        check, _ = asked(enforcement, used=4, amount=1)
        assert check.max_grantable == grantable


def test_to_ask_for_nothing_beyond_a_lowered_limit_is_no_overage_allowed() -> None:
    engine = MemoryEngine()
    in_force(engine, effective(quota(10)))
    Clocked(engine).consume(wanted(10))
    in_force(engine, effective(quota(4), version=2))
    peek = Clocked(engine).check(wanted(0))
    assert (peek.granted, peek.reason, peek.overage, peek.max_grantable) == (True, Reason.OK, 6, 0)


def test_an_observed_rate_says_that_it_would_have_limited() -> None:
    engine = MemoryEngine()
    in_force(engine, effective(quota(100), rates=(rate(3),), enforcement="observe"))
    container = Clocked(engine)
    assert container.consume(wanted(3)).reason is Reason.OK
    over = container.consume(wanted(1))
    assert (over.reason, over.would_reason) == (Reason.OBSERVED, Reason.RATE_LIMITED)


def test_a_limit_that_is_switched_back_on_has_counted_all_the_while() -> None:
    engine = MemoryEngine()
    for version, (enforcement, granted) in enumerate((("off", True), ("observe", True), ("hard", False)), start=1):
        in_force(engine, effective(quota(10), enforcement=enforcement, version=version))
        assert Clocked(engine).consume(wanted(6)).granted is granted


@pytest.mark.parametrize(
    ("used", "amount", "granted"),
    [(4, "7", "6"), (4, "6", "6"), (10, "1", None), (0, "10.5", "10"), ("9.5", "2", None), ("9.5", "2.25", "0.5")],
)
def test_a_partial_grant_is_what_fits_in_the_amounts_own_decimal_places(
    used: int | str, amount: str, granted: str | None
) -> None:
    engine = MemoryEngine()
    in_force(engine, effective(quota(10), rates=(rate(100),)))
    container = Clocked(engine)
    if used:
        container.consume(wanted(used))
    decision = container.consume(replace(wanted(amount), allow_partial=True))
    assert (decision.granted, decision.requested) == (granted is not None, Decimal(amount))
    assert decision.granted_amount == Decimal(granted or 0)
    assert container.check(wanted(0)).limits[0].used == Decimal(used) + Decimal(granted or 0)


@pytest.mark.parametrize("ids", [{"request_id": "r"}, {"idempotency_key": "k"}])
def test_a_partial_grant_that_is_retried_is_the_same_grant(engine: Engine, ids: dict[str, str]) -> None:
    in_force(engine, effective(quota(10)))
    container = Clocked(engine)
    container.consume(wanted(4))
    request = replace(wanted(7, **ids), allow_partial=True)
    first, second = container.consume(request), container.consume(request)
    assert (first.granted_amount, second.granted_amount, second.replayed) == (6, 6, True)
    assert first.decision_id == second.decision_id
    assert container.check(wanted(0)).limits[0].used == 10


def test_a_granted_decision_shows_every_limit_as_granting() -> None:
    _, consumed = asked("hard", used=0, amount=6)
    assert [state.granted for state in consumed.limits] == [True], "although the same amount would not fit again"


def test_a_suspension_names_no_limit_and_no_time_to_try_again() -> None:
    limits = effective(quota(1))
    right = limits.entitlements[FEATURE]
    mark = RequestMark(NOW // MINUTE, bytes(MARK_BYTES))
    wants = terms(right, amount=Decimal(2), version=1, mark=mark, remembered=False, now=NOW, seen=Cell())
    cell = Cell(used={wants.quotas[0].counter: Decimal(1)}, suspended={WHOLE_FEATURE: UNTIL_RESUMED})
    why = decide.refusal(cell, wants)
    assert isinstance(why, decide.Suspended)
    decision = decide.denied(limits, right, wants, cell, why=why)
    assert (decision.reason, decision.denied_by, decision.retry_at) == (Reason.SUSPENDED, None, None)
