"""API keys, the clock's item and probes: the same on every engine."""

from __future__ import annotations

from tallygate.control_store import FoldLag
from tallygate.domain.api_keys import ApiKey, digest_of
from tallygate.storage import keys
from tallygate.storage.api_keys import ApiKeys
from tallygate.storage.clock import ClockItem
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
