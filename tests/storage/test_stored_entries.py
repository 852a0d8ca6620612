"""Stored entries: every kind is read back as it was written, and its stored form is pinned."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.base.instants import MINUTE
from tallygate.domain.catalog.tiers import AllowWithGrace, Enforcement, SuspendUsage, Tier, percent
from tallygate.domain.entries.entry import CellEntry, Entry
from tallygate.domain.entries.events import EventEntry, ParkedEntry
from tallygate.domain.entries.notices import (
    BumpEntry,
    DeniedEntry,
    GraceEntry,
    OpenEntry,
    ResumeEntry,
    SuspendEntry,
    TidyEntry,
)
from tallygate.domain.entries.reset_marks import ResetMark
from tallygate.domain.entries.usage import SettleEntry, UseEntry
from tallygate.domain.entries.windows import (
    AdjustEntry,
    CarryEntry,
    Followed,
    FollowEntry,
    Passed,
    PassOnEntry,
    ResetEntry,
    Taken,
)
from tallygate.domain.journal.records import Mark, Marks, Record
from tallygate.domain.limits.counters import CarriedIn, CountedWindow, Shown
from tallygate.domain.limits.governing import Governed
from tallygate.domain.limits.rollover import Layer
from tallygate.domain.limits.suspensions import Waiver
from tallygate.domain.metering import contributions
from tallygate.domain.metering.contributions import Merge
from tallygate.domain.metering.judgement import EventWarning
from tallygate.domain.metering.meters import Measured
from tallygate.storage.base.documents import compact, in_order, read_document
from tallygate.storage.entries.entries import CELL_KINDS, ENTRIES, entry_of
from tallygate.storage.entries.last import CUSTOMER, entry_text
from tallygate.storage.entries.totals import governed_from, governed_text
from tallygate.storage.journal.records import item_of, record_of

KINDS: dict[str, type] = {**CELL_KINDS, "event": EventEntry, "parked": ParkedEntry}
TIERS = (
    Tier(level="warning", at=percent("12.5")),
    Tier(level="over", at=percent(100), policy=AllowWithGrace(amount=Decimal(5), then=SuspendUsage(until="resumed"))),
)


def use(*, windows: tuple[CountedWindow, ...], after: tuple[Shown, ...], **given: Any) -> UseEntry:
    shown = (after * len(windows))[: len(windows)]
    return UseEntry(windows=windows, after=shown, **given)


def settle(*, windows: tuple[CountedWindow, ...], amount: Decimal, by: Decimal, **given: Any) -> SettleEntry:
    given |= {name: windows[: len(given[name])] for name in ("excluded", "removed")}
    return SettleEntry(windows=windows, amount=max(abs(amount), by), by=by, **given)


def reset(*, taken: tuple[Taken, ...], marks: tuple[ResetMark, ...], **given: Any) -> ResetEntry:
    positive = tuple(Taken(each.window, abs(each.own) + 1, abs(each.followed)) for each in taken)
    return ResetEntry(taken=positive, marks=(marks * len(taken))[: len(taken)], **given)


MADE: dict[type, Callable[..., Any]] = {UseEntry: use, SettleEntry: settle, ResetEntry: reset}
"""How a kind is made whose fields depend on each other."""
KNOWN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=6),
    int: st.integers(-(10**15), 10**15),
    bool: st.booleans(),
    bytes: st.binary(max_size=4),
    Decimal: st.decimals(-(10**18), 10**18, places=9),
    NoneType: st.none(),
    Tier: st.sampled_from(TIERS),
    Marks: st.dictionaries(
        st.binary(min_size=8, max_size=8).map(bytes.hex),
        st.builds(Mark, st.integers(0, 10**40), st.integers(30 * 10**6, 30 * 10**6 + 2880).map(lambda m: m * MINUTE)),
        max_size=24,
    ),
    ResetMark: st.builds(ResetMark, upto=st.integers(0, 9))
    | st.builds(ResetMark, upto=st.integers(0, 9), partly=st.integers(1, 9), before=st.integers(0, 10**15)),
}


def made(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type, by its annotation: so a kind or a field that is new is tried as well."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind in KNOWN:
        return KNOWN[kind]
    if kind is Entry:
        return st.one_of([made(each) for each in KINDS.values()])
    if origin in (Union, UnionType):
        return st.one_of([made(part) for part in parts])
    if origin is tuple and parts[1:] != (...,):
        return st.tuples(*(made(part) for part in parts))
    if origin is tuple:
        return st.lists(made(parts[0]), max_size=3).map(tuple)
    if origin is frozenset:
        return st.frozensets(made(parts[0]), max_size=3)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return st.dictionaries(made(parts[0]), made(parts[1]), max_size=3)
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    assert is_dataclass(kind) or issubclass(kind, tuple), f"say in KNOWN how {kind} is made"
    hints = get_type_hints(kind)
    names = [each.name for each in fields(kind)] if is_dataclass(kind) else kind._fields
    return st.builds(MADE.get(kind, kind), **{name: made(hints[name]) for name in names})


@pytest.mark.parametrize("name", KINDS)
def test_an_entry_of_every_kind_is_read_back_as_it_was_written(name: str) -> None:
    @given(made(KINDS[name]))
    def survives(entry: Entry) -> None:
        for text in (compact, in_order):
            assert ENTRIES.read(read_document(text(ENTRIES.write(entry)))) == entry

    survives()


@pytest.mark.parametrize("name", CELL_KINDS)
def test_a_cell_keeps_an_entry_and_its_customer(name: str) -> None:
    @given(made(str), made(CELL_KINDS[name]))
    def kept(customer: str, entry: CellEntry) -> None:
        text = entry_text(customer, entry)
        assert entry_of(text) == (customer, entry)
        assert entry_text(customer, replace(entry)) == text, "equal entries are equal texts: a repeated write is known"

    kept()


@given(made(Governed))
def test_a_limit_as_it_stood_is_read_back_as_it_was_written(governed: Governed) -> None:
    assert governed_from(governed_text(governed)) == governed


@given(made(Record).map(lambda record: replace(record, entries=record.entries[:2])))
def test_a_record_is_read_back_as_it_was_written(record: Record) -> None:
    item = item_of(record)
    assert record_of(item) == record
    assert item_of(replace(record)) == item


WINDOW, OTHER = CountedWindow(1, 1000, 2000), CountedWindow(2, 1000, 3000)
LAYERS = (Layer(Decimal("100.5"), 2), Layer(Decimal(200), 1))
INTO = CarriedIn(layers=LAYERS, after=500)
KIND: Any = {"feature": "images", "time": 1234, "revision": 7}
METERED: Any = {**KIND, "meter": "calls"}
LIMIT: Any = {**METERED, "name": "per-model", "window": WINDOW}
AS_KIND: dict[str, Any] = {"f": "images", "t": 1234, "n": 7}
AS_METERED: dict[str, Any] = {**AS_KIND, "m": "calls"}
AS_LIMIT: dict[str, Any] = {**AS_METERED, "nm": "per-model", "wi": [1, 1000, 2000]}

STORED_INTO = {"y": [["100.5", 2], ["200", 1]], "z": 500}
PINNED: dict[str, tuple[Any, dict[str, Any]]] = {
    "use": (
        UseEntry(
            **METERED,
            id="1.ff",
            amount=Decimal("1e3"),
            merge=Merge.RAISE,
            dimensions={"team": "x"},
            windows=(WINDOW, OTHER),
            carried={1: Decimal("300.5")},
            opened={1: INTO},
            after=(Shown(Decimal("5.5")), Shown(Decimal(7), Decimal(-2))),
            traceparent="00-4b",
        ),
        {
            **AS_METERED,
            "i": "1.ff",
            "a": "1000",
            "mg": "raise",
            "d": {"team": "x"},
            "w": [[1, 1000, 2000], [2, 1000, 3000]],
            "cy": {"1": "300.5"},
            "o": {"1": STORED_INTO},
            "z": [["5.5"], ["7", "-2"]],
            "tp": "00-4b",
        },
    ),
    "settle": (
        SettleEntry(
            **METERED,
            id="1.ff",
            settled_at=1300,
            amount=Decimal("0.1"),
            by=Decimal("-999.9"),
            dimensions={"team": "x"},
            windows=(WINDOW, OTHER),
            excluded=(WINDOW,),
            removed=(OTHER,),
            decided_at_revision=4,
            followed=(CountedWindow(3, 0, 9),),
            traceparent="00-4b",
        ),
        {
            **AS_METERED,
            "i": "1.ff",
            "sa": 1300,
            "a": "0.1",
            "b": "-999.9",
            "d": {"team": "x"},
            "w": [[1, 1000, 2000], [2, 1000, 3000]],
            "x": [[1, 1000, 2000]],
            "g": [[2, 1000, 3000]],
            "dr": 4,
            "fw": [[3, 0, 9]],
            "tp": "00-4b",
        },
    ),
    "adjust": (
        AdjustEntry(
            **LIMIT,
            id="adj_1",
            amount=Decimal("-0.5"),
            base=Decimal(100),
            carried=Decimal("300.5"),
            adjusted=Decimal("4.5"),
            reason="goodwill",
            actor="ops",
            category="other",
            lifted={"model": "large"},
            into=INTO,
            traceparent="00-4b",
        ),
        {
            **AS_LIMIT,
            "i": "adj_1",
            "a": "-0.5",
            "ba": "100",
            "cy": "300.5",
            "ad": "4.5",
            "rs": "goodwill",
            "ac": "ops",
            "cg": "other",
            "li": {"model": "large"},
            "in": STORED_INTO,
            "tp": "00-4b",
        },
    ),
    "reset": (
        ResetEntry(
            **METERED,
            id="reset_1",
            effective_at=1200,
            taken=(Taken(WINDOW, Decimal(5)), Taken(OTHER, Decimal(1), Decimal(2))),
            actor="ops",
            reason="bug",
            marks=(ResetMark(upto=7), ResetMark(upto=3, partly=9, before=1200)),
        ),
        {
            **AS_METERED,
            "i": "reset_1",
            "ea": 1200,
            "tk": [[[1, 1000, 2000], "5"], [[2, 1000, 3000], "1", "2"]],
            "ac": "ops",
            "rs": "bug",
            "mk": ["7", "3,9@1200"],
        },
    ),
    "carry": (CarryEntry(**LIMIT, into=INTO, removed=True), {**AS_LIMIT, "in": STORED_INTO, "g": True}),
    "follow": (
        FollowEntry(
            **METERED,
            version=3,
            moved=(
                Followed(WINDOW, Decimal(5)),
                Followed(OTHER, Decimal(1), live=WINDOW.counter, carried=Decimal(4), excluded=Decimal(2)),
            ),
            opened={2: INTO},
        ),
        {
            **AS_METERED,
            "v": 3,
            "mv": [[[1, 1000, 2000], "5"], [[2, 1000, 3000], "1", [1, 1000], "4", "2"]],
            "o": {"2": STORED_INTO},
        },
    ),
    "pass_on": (
        PassOnEntry(**METERED, passed=(Passed(WINDOW, Decimal(3)), Passed(OTHER, Decimal(1), follows=Decimal(5)))),
        {**AS_METERED, "pa": [[[1, 1000, 2000], "3"], [[2, 1000, 3000], "1", "5"]]},
    ),
    "denied": (
        DeniedEntry(
            **LIMIT,
            limit_kind="quota",
            requested=Decimal(6),
            used=Decimal(99),
            limit=Decimal(100),
            level="critical",
            reason="quota_exceeded",
            traceparent="00-4b",
        ),
        {
            **AS_LIMIT,
            "lk": "quota",
            "rq": "6",
            "u": "99",
            "l": "100",
            "lv": "critical",
            "rs": "quota_exceeded",
            "tp": "00-4b",
        },
    ),
    "suspend": (
        SuspendEntry(
            **LIMIT, scope={"model": "large"}, used=Decimal(101), limit=Decimal(100), level="over", until=2000
        ),
        {**AS_LIMIT, "sc": {"model": "large"}, "u": "101", "l": "100", "lv": "over", "un": 2000},
    ),
    "resume": (
        ResumeEntry(
            **KIND,
            scope={"model": "large"},
            actor="ops",
            reason="paid",
            waivers=(
                Waiver(
                    feature="images",
                    name="per-model",
                    scope={"model": "large"},
                    counter=WINDOW.counter,
                    until=2000,
                    levels=frozenset({"over", "far"}),
                    added=frozenset({"over"}),
                ),
            ),
        ),
        {
            **AS_KIND,
            "sc": {"model": "large"},
            "ac": "ops",
            "rs": "paid",
            "wv": [
                {
                    "f": "images",
                    "nm": "per-model",
                    "sc": {"model": "large"},
                    "ct": [1, 1000],
                    "un": 2000,
                    "ls": ["far", "over"],
                    "an": ["over"],
                }
            ],
        },
    ),
    "grace": (GraceEntry(**KIND, counter=WINDOW.counter), {**AS_KIND, "ct": [1, 1000]}),
    "open": (OpenEntry(**KIND, window=WINDOW), {**AS_KIND, "wi": [1, 1000, 2000]}),
    "bump": (BumpEntry(**KIND, version=3), {**AS_KIND, "v": 3}),
    "tidy": (TidyEntry(**KIND, floor=900), {**AS_KIND, "fl": 900}),
    "event": (
        EventEntry(
            source="api",
            id="e1",
            time=1234,
            measured=(Measured("calls", contributions.Add(Decimal(1)), {"model": "large"}),),
            warnings=(EventWarning(meter="tokens", code="value_missing", detail="$.tokens is absent"),),
            windows=(WINDOW,),
            traceparent="00-4b",
            type="completion",
            received_at=1240,
            rejected="too_late",
        ),
        {
            "s": "api",
            "i": "e1",
            "t": 1234,
            "me": [{"m": "calls", "cn": {"k": "add", "a": "1"}, "d": {"model": "large"}}],
            "wa": [{"m": "tokens", "co": "value_missing", "de": "$.tokens is absent"}],
            "w": [[1, 1000, 2000]],
            "tp": "00-4b",
            "ty": "completion",
            "ra": 1240,
            "rj": "too_late",
        },
    ),
    "parked": (ParkedEntry(reason="unreadable", raw="{", time=1234), {"rs": "unreadable", "rw": "{", "t": 1234}),
}
"""By kind: an entry in which no field is at its default, and what it is stored as."""


def test_the_stored_form_of_every_kind_is_pinned() -> None:
    assert PINNED.keys() == KINDS.keys()


@pytest.mark.parametrize("name", PINNED)
def test_an_entry_is_stored_as_it_always_was(name: str) -> None:
    """A test that fails here has changed what earlier versions stored: the stored names must stay."""
    entry, stored = PINNED[name]
    assert len(stored) == len(fields(entry)), "every field is in the example"
    assert type(entry) is KINDS[name]
    assert ENTRIES.write(entry) == {"k": name, **stored}


@pytest.mark.parametrize(
    ("contribution", "stored"),
    [
        (contributions.Add(Decimal(1)), {"k": "add", "a": "1"}),
        (contributions.Raise(Decimal(2)), {"k": "raise", "to": "2"}),
        (contributions.Lower(Decimal(2)), {"k": "lower", "to": "2"}),
        (contributions.Set(Decimal(3), 1234, "e"), {"k": "set", "to": "3", "at": 1234, "nm": "e"}),
        (contributions.Mean(Decimal(3), 2), {"k": "mean", "a": "3", "cu": 2}),
        (contributions.Member(frozenset({b"\xff", b"\x01"})), {"k": "member", "vs": ["01", "ff"]}),
    ],
)
def test_a_contribution_is_stored_as_it_always_was(
    contribution: contributions.Contribution, stored: dict[str, Any]
) -> None:
    assert ENTRIES.write(contribution) == stored
    assert ENTRIES.read(stored) == contribution


def test_a_record_and_a_limit_are_stored_as_they_always_were() -> None:
    governed = Governed(
        feature="images",
        meter="calls",
        name="per-model",
        scope={"model": "large"},
        limit=Decimal("1000.5"),
        tiers=TIERS[:1],
        enforcement=Enforcement.OBSERVE,
        plan="pro",
        plan_version=2,
        stripe_customer_id="cus_1",
        upgrade_to="big",
        upgrade_limit=Decimal(9000),
        upgrade_unlimited=True,
        every="month",
        reach=60000,
        carries=True,
        further=True,
        merge=Merge.RAISE,
    )
    limit = {
        "f": "images",
        "m": "calls",
        "nm": "per-model",
        "sc": {"model": "large"},
        "l": "1000.5",
        "ti": [{"at": "12.5%", "level": "warning", "policy": "notify_only"}],
        "en": "observe",
        "p": "pro",
        "pv": 2,
        "st": "cus_1",
        "ut": "big",
        "ul": "9000",
        "uu": True,
        "ev": "month",
        "re": 60000,
        "ca": True,
        "fu": True,
        "mg": "raise",
    }
    assert read_document(governed_text(governed)) == limit
    assert len(limit) == len(fields(governed))
    parked, stored = PINNED["parked"]
    record = Record(
        number=7,
        customer="acme",
        marks={"00000000000000a1": Mark(10**39, 3 * MINUTE), "ff00000000000000": Mark(10**39 - 258, MINUTE)},
        entries=(parked,),
        limits={1: governed},
        at=9,
        applied=6,
    )
    highest = (10**39).to_bytes(17).hex()
    marks = bytes.fromhex(f"00000003 11{highest} 00000000000000a1 0000 00 ff00000000000000 0002 020102")
    item = item_of(record)
    assert (item["at"], item["marks"]) == (9, marks)
    assert record_of(item) == record
    assert read_document(zlib.decompress(item["body"])) == {  # type: ignore[arg-type]  # it is bytes
        "no": 7,
        "c": "acme",
        "es": [{"k": "parked", **stored}],
        "lm": {"1": limit},
        "at": 9,
        "ap": 6,
    }


@pytest.mark.parametrize("name", CELL_KINDS)
def test_an_entry_that_lacks_what_it_must_say_is_told(name: str) -> None:
    entry, stored = PINNED[name]
    needed = {
        stored_name
        for each, stored_name in zip(fields(entry), stored, strict=True)
        if each.default is each.default_factory is MISSING
    }
    whole = {"k": name, **stored, CUSTOMER: "acme"}
    assert entry_of(in_order(whole)) == ("acme", entry)
    for left_out in needed:
        with pytest.raises(LookupError):
            entry_of(in_order({field: value for field, value in whole.items() if field != left_out}))


@pytest.mark.parametrize(
    "document",
    [
        {"k": "none", "c": "acme"},
        {"c": "acme"},
        {"k": "bump", **PINNED["bump"][1]},
        {"k": "event", **PINNED["event"][1], "c": "acme"},
        {"k": "parked", **PINNED["parked"][1], "c": "acme"},
        {"k": "add", "a": "1", "c": "acme"},
    ],
    ids=["of no kind", "without a kind", "without a customer", "an event", "a parked record", "no entry"],
)
def test_what_is_no_write_to_a_cell_is_told(document: dict[str, Any]) -> None:
    with pytest.raises(LookupError):
        entry_of(in_order(document))


def test_an_entry_without_its_defaults_is_small() -> None:
    bump = BumpEntry(feature="images", time=1234, version=3)
    assert entry_text("acme", bump) == '{"k":"bump","f":"images","t":1234,"v":3,"c":"acme"}'
