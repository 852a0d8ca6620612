"""Forms of what journal entries hold: what was carried into a window, a reset, and usage that follows.

o   ["100@2,50@1", <start of the window opened before it>]        z   marks of a reset, in the order of its windows
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tallygate.domain.journal import CarriedIn, CountedWindow, Followed, FollowEntry, ResetEntry
from tallygate.domain.quantities import plain
from tallygate.domain.reset_marks import mark_of, mark_text
from tallygate.domain.rolls import layers_of, layers_text


def into_document(into: CarriedIn) -> list[Any]:
    """Its stored form; `into_of` reads it back to an equal value."""
    return [layers_text(into.layers), *(() if into.after is None else (into.after,))]


def into_field(into: CarriedIn | None) -> dict[str, Any]:
    """The field of an entry that holds it; none where it is not known."""
    return {} if into is None else {"o": into_document(into)}


def into_of(document: Sequence[Any]) -> CarriedIn:
    layers, *after = document
    return CarriedIn(layers=layers_of(layers), after=after[0] if after else None)


def into_known(document: Sequence[Any] | None) -> CarriedIn | None:
    """The same of a field that an entry of an earlier version has not."""
    return None if document is None else into_of(document)


def opened_document(opened: Mapping[int, CarriedIn]) -> dict[str, Any]:
    """What was carried into windows, by ordinal; `opened_of` reads it back from the entry's document."""
    return {str(ordinal): into_document(into) for ordinal, into in opened.items()}


def opened_of(document: Mapping[str, Any]) -> dict[int, CarriedIn]:
    return {int(ordinal): into_of(into) for ordinal, into in document.get("o", {}).items()}


def reset_document(entry: ResetEntry) -> dict[str, Any]:
    """A reset's stored form; `reset_of` reads it back to an equal value."""
    return {
        "k": "reset",
        "i": entry.id,
        "f": entry.feature,
        "m": entry.meter,
        "n": entry.revision,
        "t": entry.time,
        "s": entry.effective_at,
        "w": [[*window, plain(amount)] for window, amount in entry.taken],
        **({"z": [mark_text(mark) for mark in entry.marks]} if entry.marks else {}),
        **({"fw": [[*window, plain(amount)] for window, amount in entry.followed]} if entry.followed else {}),
    }


def reset_of(document: Mapping[str, Any]) -> ResetEntry:
    return ResetEntry(
        id=document["i"],
        feature=document["f"],
        meter=document["m"],
        revision=document["n"],
        time=document["t"],
        effective_at=document["s"],
        taken=tuple((CountedWindow(*window), Decimal(amount)) for *window, amount in document["w"]),
        marks=tuple(mark_of(mark) for mark in document.get("z", ())),
        followed=tuple((CountedWindow(*window), Decimal(amount)) for *window, amount in document.get("fw", ())),
    )


def follow_document(entry: FollowEntry) -> dict[str, Any]:
    """The stored form of usage that follows; `follow_of` reads it back to an equal value."""
    return {
        "k": "follow",
        "f": entry.feature,
        "m": entry.meter,
        "n": entry.revision,
        "t": entry.time,
        "w": [
            [*window, plain(followed), None if carried is None else plain(carried), plain(excluded)]
            for window, followed, carried, excluded in entry.moved
        ],
        **({"o": opened_document(entry.opened)} if entry.opened else {}),
    }


def follow_of(document: Mapping[str, Any]) -> FollowEntry:
    moved = (
        Followed(
            CountedWindow(*window),
            Decimal(amount),
            None if carried is None else Decimal(carried),
            Decimal(excluded),
        )
        for *window, amount, carried, excluded in document["w"]
    )
    return FollowEntry(
        feature=document["f"],
        meter=document["m"],
        revision=document["n"],
        time=document["t"],
        moved=tuple(moved),
        opened=opened_of(document),
    )
