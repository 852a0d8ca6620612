"""API keys, the clock's item and probes: the same on every engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tallygate.domain.api_keys import ApiKey, digest_of
from tallygate.operations.admission import Memory
from tallygate.storage import keys
from tallygate.storage.api_keys import ApiKeys
from tallygate.storage.cells import Cells
from tallygate.storage.clock import ClockItem
from tallygate.storage.decision_secrets import DecisionSecrets, make_secret, read_secret
from tallygate.storage.dynamo import DynamoEngine
from tallygate.storage.engine import Engine, Update
from tallygate.storage.expressions import SetOnce
from tallygate.storage.probes import Probes
from tallygate.storage.receipts import Receipts

NOW = 1_700_000_000_000


def key(number: int, **more: object) -> ApiKey:
    fields: dict[str, object] = {"id": f"key_{number}", "name": "n", "scopes": ("check",), "created_at": NOW, **more}
    return ApiKey(**fields)  # type: ignore[arg-type]  # as the test states them


def test_a_key_is_found_by_its_digest_and_listed_without_it(engine: Engine) -> None:
    held, store = ApiKeys(engine), Receipts(engine)
    full = key(1, scopes=("ingest", "manage"), customer="a#b", expires_at=NOW + 1)
    assert store.commit(held.create(full, digest_of("tg_1")))
    assert store.commit(held.create(key(2), digest_of("tg_2")))
    assert held.find(digest_of("tg_1")) == full
    assert held.find(digest_of("tg_3")) is None
    first, after = held.page(after=None, limit=1)
    assert first == (full,)
    assert held.page(after=after, limit=5) == ((key(2),), None)


def test_a_taken_id_or_digest_is_refused_whole(engine: Engine) -> None:
    held, store = ApiKeys(engine), Receipts(engine)
    store.commit(held.create(key(1), digest_of("tg_1")))
    assert not store.commit(held.create(key(1), digest_of("tg_2")))
    assert not store.commit(held.create(key(2), digest_of("tg_1")))
    assert held.page(after=None, limit=5) == ((key(1),), None)
    assert held.find(digest_of("tg_2")) is None


def test_a_key_goes_with_its_entry(engine: Engine) -> None:
    held = ApiKeys(engine)
    Receipts(engine).commit(held.create(key(1), digest_of("tg_1")))
    assert held.delete("key_1")
    assert held.find(digest_of("tg_1")) is None
    assert held.page(after=None, limit=5) == ((), None)
    assert not held.delete("key_1")


def test_the_secret_of_decision_ids_is_made_once(engine: Engine) -> None:
    reader, other = DecisionSecrets(engine), DecisionSecrets(engine)
    assert reader.known() is None
    assert make_secret(engine, b"first") == b"first"
    assert make_secret(engine, b"second") == b"first", "who comes later takes the one that stands"
    assert (reader.known(), other.known(), read_secret(engine)) == (b"first", b"first", b"first")


def test_of_many_containers_that_decide_first_all_sign_alike(dynamo_engine: DynamoEngine) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = set(pool.map(lambda n: Memory().decision_secret(Cells(dynamo_engine), lambda _: bytes([n])), range(16)))
    assert made == {read_secret(dynamo_engine)}


def test_the_clock_moves_only_from_where_it_was_seen(engine: Engine) -> None:
    clock, store = ClockItem(engine), Receipts(engine)
    assert clock.frozen_at() is None
    assert store.commit(clock.move(None, NOW))
    assert not store.commit(clock.move(None, NOW + 1))
    assert store.commit(clock.move(NOW, NOW + 1))
    assert clock.frozen_at() == NOW + 1
    assert store.commit(clock.move(NOW + 1, None))
    assert clock.frozen_at() is None


def test_a_probe_is_seen_once_it_was_marked(engine: Engine) -> None:
    probes = Probes(engine)
    assert not probes.seen("p")
    probes.send("p", NOW)
    assert not probes.seen("p")
    engine.write(Update(key=keys.probe("p"), changes=(SetOnce("seen_at", NOW),)))
    assert probes.seen("p")
    probes.drop("p")
    probes.drop("p")
    assert not probes.seen("p")
