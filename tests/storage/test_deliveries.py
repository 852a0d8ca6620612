"""The families of endpoints and deliveries, on both engines."""

from __future__ import annotations

from dataclasses import replace

from tallygate.domain.base.instants import DAY, MINUTE, SECOND, parse_instant
from tallygate.domain.delivery.deliveries import (
    Delivery,
    DeliveryAttempt,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
    SigningSecret,
)
from tallygate.domain.facts.facts import Fact
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Engine, Written
from tallygate.storage.base.receipts import writes_of
from tallygate.storage.delivery.deliveries import Deliveries, begun
from tallygate.storage.delivery.endpoints import Endpoints
from tallygate.storage.facts.outbox import put_fact

NOW = parse_instant("2026-11-20T10:00:00Z")
WALL = parse_instant("2026-03-01T00:00:00Z")
FACT = "fact_1"
ENDPOINT = Endpoint(
    id="we_1",
    url="https://receiver.example/hooks",
    events=("usage.*", "credits.low"),
    scheme="stripe",
    secrets=(SigningSecret(slot="a", version=1),),
    status=EndpointStatus.ACTIVE,
    created_at=NOW,
)
LINE = DeliveryAttempt(number=1, at=NOW, result="failed", status=500, detail="", took=12)


def begin(engine: Engine, *, fact_id: str = FACT, now: int = NOW) -> Delivery:
    assert isinstance(engine.write(begun(fact_id, ENDPOINT.id, now=now)), Written)
    delivery = Deliveries(engine).delivery(fact_id, ENDPOINT.id)
    assert delivery is not None
    return delivery


def add(engine: Engine, endpoint: Endpoint = ENDPOINT) -> None:
    engine.transact(writes_of(Endpoints(engine).create(endpoint)))


def due(store: Deliveries, now: int) -> set[tuple[str, str]]:
    return {name for shard in range(16) for name in store.due(shard, now, 10)}


def test_a_delivery_begins_once_pending_and_in_the_index(engine: Engine) -> None:
    delivery = begin(engine)
    assert delivery == Delivery(
        fact_id=FACT,
        endpoint="we_1",
        status=DeliveryStatus.PENDING,
        attempts=0,
        created_at=NOW,
        due_at=NOW + MINUTE,
    )
    assert not isinstance(engine.write(begun(FACT, ENDPOINT.id, now=NOW + 1)), Written)
    store = Deliveries(engine)
    assert due(store, NOW + MINUTE - 1) == set()
    assert due(store, NOW + MINUTE) == {(FACT, "we_1")}


def test_of_two_that_saw_the_same_one_claims_the_attempt(engine: Engine) -> None:
    store, seen = Deliveries(engine), begin(engine)
    first = store.claim(seen, claimant="a", until=NOW + MINUTE)
    assert first is not None
    assert (first.attempts, first.claimed_by, first.due_at) == (1, "a", NOW + MINUTE)
    assert store.claim(seen, claimant="b", until=NOW + MINUTE) is None


def test_a_claim_that_is_repeated_after_an_unknown_outcome_knows_itself(engine: Engine) -> None:
    store, seen = Deliveries(engine), begin(engine)
    first = store.claim(seen, claimant="a", until=NOW + MINUTE)
    assert store.claim(seen, claimant="a", until=NOW + MINUTE) == first


def test_an_attempt_is_recorded_and_the_delivery_put_off(engine: Engine) -> None:
    store, seen = Deliveries(engine), begin(engine)
    claimed = store.claim(seen, claimant="a", until=NOW + MINUTE)
    assert claimed is not None
    assert store.put_off(claimed, history=(LINE,), due_at=NOW + 5 * MINUTE)
    after = store.delivery(FACT, "we_1")
    assert after is not None
    assert (after.status, after.attempts, after.history) == (DeliveryStatus.PENDING, 1, (LINE,))
    assert due(store, NOW + 5 * MINUTE - 1) == set()
    assert due(store, NOW + 5 * MINUTE) == {(FACT, "we_1")}


def test_an_outcome_that_comes_after_another_attempt_has_begun_changes_nothing(engine: Engine) -> None:
    store, seen = Deliveries(engine), begin(engine)
    late = store.claim(seen, claimant="a", until=NOW + MINUTE)
    assert late is not None
    second = store.claim(late, claimant="b", until=NOW + 2 * MINUTE)
    assert second is not None
    assert not store.put_off(late, history=(LINE,), due_at=NOW)
    assert not store.settle(late, DeliveryStatus.FAILED, history=(LINE,), wall=WALL)
    assert store.delivery(FACT, "we_1") == second


def test_a_settled_delivery_leaves_the_index_and_expires_by_real_time(engine: Engine) -> None:
    store, seen = Deliveries(engine), begin(engine)
    claimed = store.claim(seen, claimant="a", until=NOW + MINUTE)
    assert claimed is not None
    line = replace(LINE, result="delivered", status=200)
    for _ in range(2):  # the second time as after an unknown outcome
        assert store.settle(claimed, DeliveryStatus.DELIVERED, history=(line,), wall=WALL)
    after = store.delivery(FACT, "we_1")
    assert after is not None
    assert (after.status, after.due_at, after.history) == (DeliveryStatus.DELIVERED, None, (line,))
    assert due(store, NOW + 30 * DAY) == set()
    item = engine.get(keys.delivery(FACT, "we_1"))
    assert item is not None
    assert item["expires_at"] == (WALL + 30 * DAY) // SECOND
    assert store.claim(claimed, claimant="b", until=NOW) is None
    assert not store.settle(claimed, DeliveryStatus.FAILED, history=(line,), wall=WALL)


def test_what_was_handed_over_is_left_alone_for_a_while_unless_something_happened(engine: Engine) -> None:
    store, seen = Deliveries(engine), begin(engine)
    store.handed_over(seen, until=NOW + 9 * MINUTE)
    assert due(store, NOW + 9 * MINUTE - 1) == set()
    claimed = store.claim(seen, claimant="a", until=NOW + MINUTE)
    assert claimed is not None
    store.handed_over(seen, until=NOW + 20 * MINUTE)
    assert store.delivery(FACT, "we_1") == claimed


def test_deliveries_and_closings_have_shards_of_their_own(engine: Engine) -> None:
    begin(engine)
    assert all(engine.due(str(shard), NOW + DAY, 10) == () for shard in range(16))


def test_a_fact_is_read_as_it_was_kept(engine: Engine) -> None:
    fact = Fact(
        id=FACT,
        type="usage.limit_reached",
        customer="acme",
        feature="ai-tokens",
        time=NOW,
        sequence=3,
        data={"limit": None, "usage": "0.5"},
    )
    engine.write(put_fact(fact))
    assert Deliveries(engine).fact(FACT) == fact
    assert Deliveries(engine).fact("fact_2") is None


def test_an_endpoint_is_added_read_listed_and_removed_once(engine: Engine) -> None:
    store = Endpoints(engine)
    others = [replace(ENDPOINT, id=f"we_{n}") for n in (2, 3)]
    for endpoint in (ENDPOINT, *others):
        add(engine, endpoint)
    assert store.endpoint("we_1") == ENDPOINT
    assert store.endpoint("we_9") is None
    assert store.all() == (ENDPOINT, *others)
    first, after = store.page(after=None, limit=2)
    assert (first, after) == ((ENDPOINT, others[0]), "we_2")
    assert store.page(after=after, limit=2)[0] == (others[1],)
    assert store.delete("we_1")
    assert not store.delete("we_1")
    assert store.endpoint("we_1") is None


def test_an_endpoint_is_disabled_but_never_brought_back(engine: Engine) -> None:
    add(engine)
    store = Deliveries(engine)
    store.disable("we_1", "410 Gone")
    disabled = replace(ENDPOINT, status=EndpointStatus.DISABLED, disabled_reason="410 Gone")
    assert store.endpoint("we_1") == disabled
    assert not disabled.wants("usage.limit_reached")
    Endpoints(engine).delete("we_1")
    store.disable("we_1", "410 Gone")
    assert store.endpoint("we_1") is None


def test_an_endpoints_deliveries_are_listed_newest_first_as_they_stand(engine: Engine) -> None:
    store = Deliveries(engine)
    for n in range(5):
        delivery = begin(engine, fact_id=f"fact_{n}", now=NOW + n)
        for _ in range(2):
            store.list_under_endpoint(delivery, "usage.limit_reached", wall=WALL)
    store.claim(begin(engine, fact_id="fact_of_another_list"), claimant="a", until=NOW)
    first, after = Endpoints(engine).deliveries("we_1", after=None, limit=3)
    second, end = Endpoints(engine).deliveries("we_1", after=after, limit=3)
    assert [delivery.fact_id for _, delivery in (*first, *second)] == [f"fact_{n}" for n in (4, 3, 2, 1, 0)]
    assert {fact_type for fact_type, _ in first} == {"usage.limit_reached"}
    assert end is None
