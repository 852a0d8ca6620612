"""consume and check: what a caller is told, and that nothing is counted twice or granted beyond a limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tallygate.domain.admission.decision import Reason
from tallygate.domain.base.instants import DAY, MINUTE, SECOND, Instant, parse_instant
from tallygate.domain.limits.counters import CellName
from tallygate.errors import ClockBehind, Contended, InvalidRequest, OutcomeUnknown
from tallygate.operations.admission.attempts import Consume
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Cancelled, Committed, Engine, Put, Refused, Require, Update, Write, Written
from tallygate.storage.base.expressions import Increase
from tallygate.storage.base.memory import MemoryEngine
from tests.containers import Clocked
from tests.given import FEATURE, NOW, effective, in_force, quota, rate, wanted


@pytest.fixture
def container(engine: Engine) -> Clocked:
    return Clocked(engine)


def used(container: Clocked, now: Instant = NOW) -> Decimal:
    state = container.check(wanted(0), now).quota
    assert state is not None
    return state.used


def test_amounts_are_granted_until_the_limit_and_equality_grants(container: Clocked) -> None:
    in_force(container.engine, effective(quota(10)))
    first, second, third = (container.consume(wanted(amount)) for amount in (6, 5, 4))
    assert (first.granted, first.reason, first.granted_amount) == (True, Reason.OK, 6)
    assert (second.granted, second.reason, second.granted_amount) == (False, Reason.QUOTA_EXCEEDED, 0)
    assert second.denied_by is not None
    assert (second.denied_by.used, second.denied_by.remaining, second.max_grantable) == (6, 4, 4)
    assert second.retry_at == parse_instant("2026-12-01T00:00:00Z")
    assert (third.granted, third.max_grantable) == (True, 0)


def test_a_request_beyond_the_limit_itself_has_no_time_to_retry(container: Clocked) -> None:
    in_force(container.engine, effective(quota(10)))
    denied = container.consume(wanted(11))
    assert (denied.reason, denied.retry_at) == (Reason.QUOTA_EXCEEDED, None)


def test_an_unlimited_quota_counts_and_says_so(container: Clocked) -> None:
    in_force(container.engine, effective(quota(None)))
    decision = container.consume(wanted("1.5"))
    assert (decision.reason, decision.max_grantable, used(container)) == (Reason.UNLIMITED, None, Decimal("1.5"))


def test_a_check_changes_nothing_and_agrees_with_the_consume_after_it(container: Clocked) -> None:
    in_force(container.engine, effective(quota(10), rates=(rate(6),)))
    for amount in (4, 3, 2):
        asked = container.check(wanted(amount))
        done = container.consume(wanted(amount))
        assert (asked.granted, asked.reason) == (done.granted, done.reason)
    assert used(container) == 6


def test_the_first_reason_that_holds_is_named(container: Clocked) -> None:
    engine = container.engine
    assert container.consume(wanted()).reason is Reason.CUSTOMER_NOT_FOUND
    in_force(engine, effective(quota(10), rates=(rate(3),)))
    assert container.consume(wanted(feature="nothing")).reason is Reason.FEATURE_NOT_FOUND
    assert container.consume(wanted(11)).reason is Reason.RATE_LIMITED
    in_force(engine, effective(quota(10), customer="over", subscribed=False))
    assert container.consume(wanted(customer="over")).reason is Reason.NO_ACTIVE_SUBSCRIPTION
    in_force(engine, replace(effective(customer="bare"), entitlements={}))
    assert container.consume(wanted(customer="bare")).reason is Reason.NOT_ENTITLED
    assert container.check(wanted(customer="bare")).reason is Reason.NOT_ENTITLED


def test_a_request_id_sent_twice_counts_once_and_answers_the_same_decision(container: Clocked) -> None:
    in_force(container.engine, effective(quota(10)))
    first = container.consume(wanted(4, request_id="r1"))
    second = container.consume(wanted(4, request_id="r1"), NOW + MINUTE)
    assert (second.granted, second.replayed, second.decision_id) == (True, True, first.decision_id)
    other_body = container.consume(wanted(5, request_id="r1"))
    assert (other_body.granted, other_body.replayed) == (True, False)
    assert used(container) == 9


def test_a_retry_is_recognised_although_the_limit_is_full_by_now(container: Clocked) -> None:
    in_force(container.engine, effective(quota(10)))
    container.consume(wanted(10, request_id="r1"))
    assert not container.consume(wanted(1)).granted
    assert container.consume(wanted(10, request_id="r1")).replayed


def test_an_idempotency_key_replays_for_a_day_and_then_is_new(container: Clocked) -> None:
    in_force(container.engine, effective(quota(10)))
    first = container.consume(wanted(4, idempotency_key="k"))
    assert (first.granted, first.replayed, used(container)) == (True, False, 4)
    container.consume(wanted(6))
    again = container.consume(wanted(4, idempotency_key="k"), NOW + DAY - SECOND)
    assert (again.replayed, again.decision_id, again.granted_amount) == (True, first.decision_id, 4)
    assert again.quota is not None
    assert again.quota.used == 10, "used is as of the replay"
    with pytest.raises(InvalidRequest, match="another body"):
        container.consume(wanted(5, idempotency_key="k"))
    expired = container.consume(wanted(1, idempotency_key="k"), NOW + DAY + SECOND)
    assert (expired.granted, expired.reason) == (False, Reason.QUOTA_EXCEEDED)


@pytest.mark.parametrize(
    "ids", [{"request_id": "r"}, {"idempotency_key": "k"}, {"request_id": "r", "idempotency_key": "k"}]
)
@pytest.mark.parametrize("lost", [{"subscribed": False}, {"entitlements": {}}])
def test_a_retry_repeats_its_grant_although_the_feature_is_lost_by_now(
    container: Clocked, ids: dict[str, str], lost: dict[str, Any]
) -> None:
    """It was counted; to deny it would charge for what is then not done."""
    in_force(container.engine, effective(quota(10)))
    first = container.consume(wanted(4, **ids))
    in_force(container.engine, replace(effective(quota(10), version=2), **lost))
    Cells(container.engine).raise_version(CellName("acme", FEATURE), 2, NOW)
    again = container.consume(wanted(4, **ids))
    assert (again.granted, again.replayed, again.granted_amount) == (True, True, 4)
    assert again.decision_id == first.decision_id
    assert not container.consume(wanted(4, request_id="other", idempotency_key="other")).granted
    if "idempotency_key" in ids:
        with pytest.raises(InvalidRequest, match="another body"):
            container.consume(wanted(5, **ids))


def test_a_partial_grant_is_never_told_as_whole(container: Clocked) -> None:
    """The cell remembers that a request was granted, the receipt of its key how much of it was."""
    in_force(container.engine, effective(quota(4)))
    request = replace(wanted(7, request_id="r", idempotency_key="k"), allow_partial=True)
    for _ in range(2):
        assert container.consume(request).granted_amount == 4
    for other in ("k2", None):
        with pytest.raises(InvalidRequest, match="another Idempotency-Key"):
            container.consume(replace(request, idempotency_key=other))


def test_a_denial_with_an_idempotency_key_stores_nothing(container: Clocked) -> None:
    in_force(container.engine, effective(quota(10)))
    assert not container.consume(wanted(11, idempotency_key="k")).granted
    assert container.consume(wanted(10, idempotency_key="k")).granted, "a retry decides afresh, and the body may differ"


def test_lowered_limits_act_at_the_next_decision_of_a_container_that_remembers_the_old_ones(container: Clocked) -> None:
    in_force(container.engine, effective(quota(10)))
    assert container.consume(wanted(4)).granted
    in_force(container.engine, effective(quota(5), version=2))
    Cells(container.engine).raise_version(CellName("acme", FEATURE), 2, NOW)
    denied = container.consume(wanted(4))
    assert (denied.granted, denied.quota and denied.quota.limit) == (False, 5)


def test_raised_limits_act_at_the_next_decision_although_it_was_just_denied(container: Clocked) -> None:
    in_force(container.engine, effective(quota(10)))
    assert not container.consume(wanted(11)).granted
    in_force(container.engine, effective(quota(20), version=2))
    Cells(container.engine).raise_version(CellName("acme", FEATURE), 2, NOW)
    assert container.consume(wanted(11)).granted


def test_an_ended_subscription_is_noticed_and_a_new_one_too(container: Clocked) -> None:
    in_force(container.engine, effective(quota(10), subscribed=False))
    assert not container.consume(wanted()).granted
    in_force(container.engine, effective(quota(10), version=2))
    assert container.consume(wanted()).granted, "a denial is never given from remembered limits alone"


def test_after_a_denial_the_cell_is_asked_before_it_is_written_for_a_second(container: Clocked) -> None:
    in_force(container.engine, effective(quota(10), rates=(rate(6),)))
    assert not container.consume(wanted(7)).granted
    assert not container.consume(wanted(7)).granted
    assert container.consume(wanted(6)).granted, "what fits is granted, however lately another was denied"
    container.seconds += 2
    assert not container.consume(wanted(6)).granted


def test_the_next_month_starts_at_zero_without_any_job(container: Clocked) -> None:
    in_force(container.engine, effective(quota(10, zone="Pacific/Auckland"), timezone="Pacific/Auckland"))
    end = parse_instant("2026-11-30T11:00:00Z")
    assert container.consume(wanted(10), end - 1).granted
    assert not container.consume(wanted(1), end - 1).granted
    rolled = container.consume(wanted(10), end)
    assert rolled.granted
    assert rolled.quota is not None
    assert (rolled.quota.start, rolled.quota.used) == (end, 10)


def test_a_slow_clock_is_told_so_and_never_grants(container: Clocked) -> None:
    in_force(container.engine, effective(quota(10)))
    container.consume(wanted(10))
    container.consume(wanted(1), NOW + 20 * DAY)
    with pytest.raises(ClockBehind):
        Clocked(container.engine).consume(wanted(1))
    with pytest.raises(ClockBehind):
        container.check(wanted(1))


def test_a_limit_that_comes_back_after_its_window_was_over_is_counted_again(container: Clocked) -> None:
    """Its counter ended before the floor that other windows left behind; removing it must not ask for a lower floor."""
    in_force(container.engine, effective(quota(100), version=1))
    assert container.consume(wanted(60)).granted
    in_force(container.engine, effective(quota(100, ordinal=2, every="day"), version=2))
    Cells(container.engine).raise_version(CellName("acme", FEATURE), 2, NOW)
    for day in range(11, 15):
        assert container.consume(wanted(60), NOW + day * DAY).granted
    in_force(container.engine, effective(quota(100), version=3))
    Cells(container.engine).raise_version(CellName("acme", FEATURE), 3, NOW)
    for day in (15, 16):
        assert container.consume(wanted(50), NOW + day * DAY).granted
    assert not container.consume(wanted(1), NOW + 16 * DAY).granted


def test_the_windows_of_a_long_use_are_removed_over_several_writes(container: Clocked) -> None:
    """Thousands of short sub-windows do not fit one expression."""
    names = {cell_image.rated_name((9, index)): Decimal(1) for index in range(1000)}
    in_force(container.engine, effective(quota(100), rates=(rate(50, per=SECOND),)))
    container.engine.write(Put(key=keys.cell(CellName("acme", FEATURE)), item={**names, "n": 1000, "cv": 1}))
    for _ in range(20):
        assert container.consume(wanted(1)).granted
    assert len(Cells(container.engine).read(CellName("acme", FEATURE)).rated) == 1


def test_a_cell_that_is_ahead_of_the_stored_limits_is_contended_never_a_denial(container: Clocked) -> None:
    """The window between a change's two writes seen the wrong way round: reloading does not help, so it is said."""
    in_force(container.engine, effective(quota(10)))
    Cells(container.engine).raise_version(CellName("acme", FEATURE), 5, NOW)
    with pytest.raises(Contended):
        container.consume(wanted(1))
    with pytest.raises(Contended):
        container.check(wanted(1))


class Racing(MemoryEngine):
    """Just before the next write to a cell, another container's write comes in between."""

    before: Update | None = None

    def write(self, write: Write, *, repeatable: bool = False) -> Written | Refused:
        if self.before is not None and write.key.pk.startswith("CELL#"):
            between, self.before = self.before, None
            super().write(between)
        return super().write(write)


def test_a_rate_that_moved_under_a_writer_is_tried_again_with_what_was_seen() -> None:
    """The pinned previous sub-window was out of date: the image still has room, so nobody is denied."""
    engine = Racing()
    container = Clocked(engine)
    in_force(engine, effective(quota(100), rates=(rate(10),)))
    middle = NOW + MINUTE + MINUTE // 2
    previous, current = (cell_image.rated_name((9, NOW // MINUTE + index)) for index in (0, 1))
    between = (Increase(previous, 4), Increase(current, 1), Increase("n", 1))
    engine.before = Update(key=keys.cell(CellName("acme", FEATURE)), changes=between)
    decision = container.consume(wanted(7), middle)
    assert decision.granted, "1 + 7 + 4 × ½ = 10"
    assert not container.consume(wanted("0.1"), middle).granted


class Silent(MemoryEngine):
    """Makes the write and never answers, as a connection that is cut after the request."""

    def write(self, write: Write, *, repeatable: bool = False) -> Written | Refused:
        super().write(write)
        raise OutcomeUnknown("cut")

    def transact(self, writes: Sequence[Write | Require], *, repeatable: bool = False) -> Committed | Cancelled:
        super().transact(writes)
        raise OutcomeUnknown("cut")


@pytest.mark.parametrize("request_", [wanted(4), wanted(4, request_id="r"), wanted(4, idempotency_key="k")])
def test_an_unknown_outcome_is_said_and_the_callers_retry_counts_once(request_: Consume) -> None:
    silent = Silent()
    plain = MemoryEngine(items=silent.items)
    in_force(plain, effective(quota(10)))
    with pytest.raises(OutcomeUnknown):
        Clocked(silent).consume(request_)
    again = Clocked(plain).consume(request_)
    known = request_.request_id is not None or request_.idempotency_key is not None
    assert again.replayed is known
    assert used(Clocked(plain)) == (4 if known else 8), "without an id nobody can tell a retry from a new request"
