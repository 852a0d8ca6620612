"""API keys, the clock's item and probes: the same on every engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tallygate.domain.customers.api_keys import ApiKey, KeyText, KeyTexts, digest_of
from tallygate.operations.admission.memory import Memory
from tallygate.operations.journal.ports import FoldLag
from tallygate.storage.admission.cells import Cells
from tallygate.storage.admission.secrets import DecisionSecrets, make_secret, read_secret
from tallygate.storage.base import keys
from tallygate.storage.base.clock import ClockItem
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Engine, Update
from tallygate.storage.base.expressions import SetOnce
from tallygate.storage.base.receipts import Receipts
from tallygate.storage.customers.api_keys import ApiKeys
from tallygate.storage.journal.probes import Probes

NOW = 1_700_000_000_000


def key(number: int, **more: object) -> ApiKey:
    fields: dict[str, object] = {"id": f"key_{number}", "name": "n", "scopes": ("check",), "created_at": NOW, **more}
    return ApiKey(**fields)  # type: ignore[arg-type]  # as the test states them


def texts(of: ApiKey, text: str, **more: object) -> KeyTexts:
    return KeyTexts(key=of, text=KeyText(digest=digest_of(text)), **more)  # type: ignore[arg-type]


def test_a_key_is_found_by_its_digest_and_listed_without_it(engine: Engine) -> None:
    held, store = ApiKeys(engine), Receipts(engine)
    full = key(1, scopes=("ingest", "manage"), customer="a#b", expires_at=NOW + 1)
    assert store.commit(held.create(full, digest_of("tg_1")))
    assert store.commit(held.create(key(2), digest_of("tg_2")))
    assert held.find(digest_of("tg_1")) == (full, None)
    assert held.find(digest_of("tg_3")) is None
    first, after = held.page(after=None, limit=1)
    assert first == (texts(full, "tg_1"),)
    assert held.page(after=after, limit=5) == ((texts(key(2), "tg_2"),), None)


def test_a_taken_id_or_digest_is_refused_whole(engine: Engine) -> None:
    held, store = ApiKeys(engine), Receipts(engine)
    store.commit(held.create(key(1), digest_of("tg_1")))
    assert not store.commit(held.create(key(1), digest_of("tg_2")))
    assert not store.commit(held.create(key(2), digest_of("tg_1")))
    assert held.page(after=None, limit=5) == ((texts(key(1), "tg_1"),), None)
    assert held.find(digest_of("tg_2")) is None


def test_a_key_goes_with_its_entry(engine: Engine) -> None:
    held = ApiKeys(engine)
    Receipts(engine).commit(held.create(key(1), digest_of("tg_1")))
    seen = held.key("key_1")
    assert seen is not None
    assert held.delete(seen)
    assert held.find(digest_of("tg_1")) is None
    assert held.page(after=None, limit=5) == ((), None)
    assert held.key("key_1") is None
    assert not held.delete(seen)


def test_a_rotation_leaves_the_text_before_for_the_overlap_and_a_lost_race_writes_nothing(engine: Engine) -> None:
    held, store = ApiKeys(engine), Receipts(engine)
    store.commit(held.create(key(1), digest_of("tg_1")))
    seen = held.key("key_1")
    assert seen is not None
    second = seen.rotated(digest_of("tg_2"), overlap_ms=1_000, now=NOW)
    assert store.commit(held.rotate(seen, second))
    assert not store.commit(held.rotate(seen, seen.rotated(digest_of("tg_3"), overlap_ms=0, now=NOW)))
    assert not held.delete(seen), "a key that was rotated meanwhile keeps a text that the removal would not know"
    before, now = held.find(digest_of("tg_1")), held.find(digest_of("tg_2"))
    assert before is not None and now is not None
    assert (before[0].expires_at, now[0].expires_at) == (NOW + 1_000, None)
    rotated = held.key("key_1")
    assert rotated == second
    third = second.rotated(digest_of("tg_3"), overlap_ms=0, now=NOW + 1)
    assert store.commit(held.rotate(second, third))
    assert [held.find(digest_of(text)) for text in ("tg_1", "tg_2")] == [None, None]
    found = held.key("key_1")
    assert found is not None and held.delete(found)
    assert held.find(digest_of("tg_3")) is None


def test_a_rotation_never_lengthens_the_life_of_a_text(engine: Engine) -> None:
    made = texts(key(1, expires_at=NOW + 500), "tg_1")
    rotated = made.rotated(digest_of("tg_2"), overlap_ms=1_000, now=NOW)
    assert rotated.former[0].until == NOW + 500
    again = rotated.rotated(digest_of("tg_3"), overlap_ms=100, now=NOW + 499)
    assert [text.until for text in again.former] == [NOW + 500, NOW + 500]


def test_the_day_of_use_moves_forward_and_makes_no_key(engine: Engine) -> None:
    held = ApiKeys(engine)
    held.use(digest_of("tg_1"), NOW)
    assert held.find(digest_of("tg_1")) is None, "a key that was removed stays removed"
    Receipts(engine).commit(held.create(key(1), digest_of("tg_1")))
    for day in (NOW, NOW + 5, NOW + 3):
        held.use(digest_of("tg_1"), day)
    assert held.page(after=None, limit=5)[0][0].used_on == NOW + 5


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


def test_one_of_many_measures_and_the_others_find_its_result(engine: Engine) -> None:
    probes = Probes(engine)
    assert probes.result() is None
    assert probes.claim_result(NOW, over=NOW - 10)
    assert not probes.claim_result(NOW + 9, over=NOW - 1)
    assert probes.result() is None
    probes.keep_result(FoldLag(lag_ms=30, as_of=NOW))
    assert probes.result() == FoldLag(lag_ms=30, as_of=NOW)
    assert probes.claim_result(NOW + 10, over=NOW)
    probes.keep_result(FoldLag(lag_ms=None, as_of=NOW + 10))
    assert probes.result() == FoldLag(lag_ms=None, as_of=NOW + 10)
