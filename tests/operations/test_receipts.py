"""A POST of the control plane and its receipt are committed together, or neither is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tallygate.domain.base.instants import DAY
from tallygate.errors import Contended, InvalidRequest, OutcomeUnknown
from tallygate.operations.base.receipts import Body, Outcome, Planned, once
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Cancelled, Committed, Engine, Key, Put
from tallygate.storage.base.expressions import Absent
from tallygate.storage.base.memory import MemoryEngine
from tallygate.storage.base.receipts import Receipts

NOW = 1_700_000_000_000
OPERATION = "POST /v1/things"


def make(name: str) -> Planned:
    """A plan that puts one item and shows a secret once."""
    put = Put(key=Key("KEYS", name), item={"name": name}, condition=Absent("pk"))
    return Planned(moves=(put,), body={"id": name, "secret": f"s-{name}"}, secrets=frozenset({"secret"}))


def post(
    engine: Engine, plan: Callable[[], Planned], key: str | None = None, fingerprint: str = "f", now: int = NOW
) -> Outcome:
    return once(Receipts(engine), plan, operation=OPERATION, idempotency_key=key, fingerprint=fingerprint, now=now)


def things(engine: Engine) -> list[Any]:
    return [item["sk"] for item in engine.query("KEYS", consistent=True).items]


def test_without_a_key_the_change_is_committed_all_the_same(engine: Engine) -> None:
    assert post(engine, lambda: make("a")) == Outcome(status=201, body={"id": "a", "secret": "s-a"})
    assert things(engine) == ["a"]


def test_a_repeated_key_replays_the_answer_without_its_secret_and_changes_nothing(engine: Engine) -> None:
    assert not post(engine, lambda: make("a"), key="k").replayed
    again = post(engine, lambda: make("b"), key="k", now=NOW + DAY - 1)
    assert again == Outcome(status=201, body={"id": "a", "secret": None}, replayed=True)
    assert things(engine) == ["a"]


def test_a_key_with_another_body_is_refused(engine: Engine) -> None:
    post(engine, lambda: make("a"), key="k")
    with pytest.raises(InvalidRequest) as caught:
        post(engine, lambda: make("b"), key="k", fingerprint="g")
    assert (caught.value.code, caught.value.status) == ("idempotency_key_reused", 422)
    assert things(engine) == ["a"]


def test_a_receipt_counts_as_absent_after_a_day_although_it_is_still_stored(engine: Engine) -> None:
    post(engine, lambda: make("a"), key="k")
    assert not post(engine, lambda: make("b"), key="k", now=NOW + DAY).replayed
    assert things(engine) == ["a", "b"]


def test_a_plan_whose_conditions_are_refused_is_made_afresh_and_given_up_after_three(engine: Engine) -> None:
    post(engine, lambda: make("a"))
    names = iter(["a", "b"])
    assert post(engine, lambda: make(next(names)), key="k").body["id"] == "b"
    with pytest.raises(Contended):
        post(engine, lambda: make("a"), key="l")
    assert not post(engine, lambda: make("c"), key="l").replayed


def test_what_follows_the_commit_is_repeated_by_a_replay() -> None:
    engine = MemoryEngine()
    finished: list[str] = []

    def finish(body: Body) -> Body:
        finished.append(body["id"])
        return {**body, "done": True}

    def call() -> Outcome:
        return once(
            Receipts(engine),
            lambda: make("a"),
            operation=OPERATION,
            idempotency_key="k",
            fingerprint="f",
            now=NOW,
            finish=finish,
        )

    assert [call().body["done"], call().body["done"]] == [True, True]
    assert finished == ["a", "a"]


@dataclass(slots=True)
class Flaky(MemoryEngine):
    """Loses the answer of the first transaction, as a network does, and sends it again where that is safe."""

    lost: list[bool] = field(default_factory=lambda: [True])

    def transact(self, writes: Any, *, repeatable: bool = False) -> Committed | Cancelled:
        outcome = MemoryEngine.transact(self, writes, repeatable=repeatable)
        if self.lost and self.lost.pop():
            if not repeatable:
                raise OutcomeUnknown("lost")
            return MemoryEngine.transact(self, writes, repeatable=repeatable)
        return outcome


def test_an_answer_lost_on_the_way_is_known_again_with_its_secret() -> None:
    engine = Flaky()
    assert post(engine, lambda: make("a"), key="k") == Outcome(status=201, body={"id": "a", "secret": "s-a"})
    assert things(engine) == ["a"]


def test_an_answer_lost_without_a_key_says_that_the_outcome_is_unknown() -> None:
    with pytest.raises(OutcomeUnknown):
        post(Flaky(), lambda: make("a"))


def test_of_two_posts_with_one_key_at_once_one_makes_the_change_and_both_answer_it(
    dynamo_engine: DynamoEngine,
) -> None:
    for round_number in range(5):
        answers: list[Outcome] = []
        start = threading.Barrier(4)

        def call(name: str, key: str, start: threading.Barrier = start, answers: list[Outcome] = answers) -> None:
            start.wait()
            answers.append(post(dynamo_engine, lambda: make(name), key=key))

        threads = [threading.Thread(target=call, args=(f"{round_number}-{n}", f"k{round_number}")) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == 4
        assert len({answer.body["id"] for answer in answers}) == 1
        assert [answer.replayed for answer in answers].count(False) == 1
    assert len(things(dynamo_engine)) == 5
