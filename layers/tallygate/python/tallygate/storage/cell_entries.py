"""What a cell says of its newest write, read back as the entry that the journal keeps of it.

last   compact JSON, written by `domain.entries`

A use or a settlement, what is carried into a window and an adjustment are counted by the fold; of a first denial, a
suspension, its end and an adjustment there is a fact. Whatever else was written is kept as it stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tallygate.domain.cells import Cell
from tallygate.domain.instants import Instant
from tallygate.domain.journal import (
    AdjustEntry,
    CarriedIn,
    CarryEntry,
    CellEntry,
    CountedWindow,
    Followed,
    FollowEntry,
    NoteEntry,
    ResetEntry,
    SettleEntry,
    Shown,
    UseEntry,
)
from tallygate.domain.notes import TOP_UP, Adjusted, Denied, Note, Resumed, Suspended
from tallygate.domain.proof import Stated
from tallygate.domain.quantities import ZERO
from tallygate.domain.reset_marks import NO_RESET
from tallygate.domain.rolls import layers_of
from tallygate.domain.suspensions import OPERATOR
from tallygate.domain.tier_suspensions import Waiver
from tallygate.errors import InvariantBroken
from tallygate.storage import items
from tallygate.storage.expressions import Item

FOLLOW_PARTS, RESET_PARTS = 7, 4


def last_decision(item: Item | None) -> UseEntry | SettleEntry | None:
    """The granted consume, or its settlement, that a cell was last written by; None where it was anything else."""
    if item is None or items.LAST not in item:
        return None
    entry, revision = json.loads(items.text(item, items.LAST)), items.integer(item, items.REVISION)
    match entry["k"]:
        case "use":
            return shown_after(use_of(entry, revision), items.cell_of(item))
        case "settle":
            return settle_of(entry, revision)
    return None


def entry_of(entry: Mapping[str, Any], text: str, *, feature: str, revision: int) -> CellEntry:
    """What the journal keeps of a write to the feature's cell. Raises where it cannot be read."""
    match entry["k"]:
        case "use":
            return use_of(entry, revision)
        case "settle":
            return settle_of(entry, revision)
        case "carry":
            into = CarriedIn(layers=layers_of(entry["y"])) if "y" in entry else None
            return CarryEntry(**_moved(entry, revision), carried=Decimal(entry["a"]), into=into)
        case "adjust":
            carried = Decimal(entry["to"]["carried"])
            return AdjustEntry(**_moved(entry, revision), id=entry["i"], amount=Decimal(entry["a"]), carried=carried)
        case "reset":
            return reset_of(entry, revision)
        case "follow" | "pass_on" if entry["w"]:
            return _follow_of(entry, revision)
    return NoteEntry(kind=entry["k"], feature=feature, revision=revision, text=text)


def stated_of(entry: Mapping[str, Any]) -> Stated:
    """What the entry says of the cell's counters."""
    match entry["k"]:
        case "use" | "settle":
            carried = entry.get("cy", {})
            starts = {str(ordinal): start for ordinal, start, _ in entry["w"]}
            return Stated(
                used={(ordinal, start): Decimal(entry["a"]) for ordinal, start, _ in entry["w"]},
                followed={(ordinal, start): Decimal(entry["a"]) for ordinal, start, _ in entry.get("fw", ())},
                carried={(int(ordinal), starts[ordinal]): Decimal(amount) for ordinal, amount in carried.items()},
            )
        case "event":
            return Stated(used={(entry["o"], entry["s"]): Decimal(entry["a"])})
        case "carry" if entry.get("g"):
            return Stated()
        case "carry":
            return Stated(carried={(entry["o"], entry["s"]): Decimal(entry["a"])})
        case "adjust":
            window = (entry["o"], entry["s"])
            return Stated(carried={window: Decimal(entry["to"]["carried"])}, adjusted={window: Decimal(entry["a"])})
        case "reset":
            return Stated(
                used={(o, start): Decimal(followed) - Decimal(taken) for o, start, _, taken, followed in _reset(entry)},
                followed={(o, start): -Decimal(followed) for o, start, _, _, followed in _reset(entry)},
            )
        case "follow":
            return Stated(
                follows={
                    (ordinal, start): (Decimal(amount), None if live is None else (live[0], live[1]))
                    for ordinal, start, _, amount, live, _, _ in entry["w"]
                },
                carried={
                    (ordinal, start): Decimal(carried)
                    for ordinal, start, _, _, _, carried, _ in entry["w"]
                    if carried is not None
                },
                used={(window[0], window[1]): -Decimal(window[-1]) for window in entry["w"]},
            )
        case "pass_on":
            return Stated(followed={(ordinal, start): Decimal(by) for ordinal, start, _, by in entry["w"]})
    return Stated()


def notes_of(entry: Mapping[str, Any], revision: int) -> tuple[Note, ...]:
    """What the write did that only its entry tells, in order. An adjustment may have lifted a suspension too."""
    note = _note_of(entry, revision)
    if note is None or "li" not in entry:
        return () if note is None else (note,)
    lifted = Resumed(by=OPERATOR, cause=TOP_UP, scope=entry["li"], actor=entry["ac"], reason=entry["rs"])
    return note, replace(note, what=lifted)


def _note_of(entry: Mapping[str, Any], revision: int) -> Note | None:
    """What the write did first of all; None: nothing that only its entry tells."""
    match entry["k"]:
        case "denied":
            what: Denied | Suspended | Resumed | Adjusted = Denied(
                **_noted(entry),
                **_measured(entry),
                kind=entry["kd"],
                requested=Decimal(entry["a"]),
                reason=entry["r"],
            )
        case "suspend":
            what = Suspended(
                **_noted(entry), **_measured(entry), scope=entry.get("sc", {}), until=entry["un"], by=entry["by"]
            )
        case "resume":
            what = Resumed(
                by=entry["by"],
                scope=entry.get("sc", {}),
                actor=entry.get("ac"),
                reason=entry.get("rs"),
                waivers=tuple(_waiver(entry["f"], *waived) for waived in entry.get("wv", ())),
            )
        case "adjust":
            to = entry["to"]
            what = Adjusted(
                **_noted(entry),
                id=entry["i"],
                amount=Decimal(entry["a"]),
                reason=entry["rs"],
                actor=entry["ac"],
                category=entry.get("cg"),
                base=None if to["base"] is None else Decimal(to["base"]),
                carried=Decimal(to["carried"]),
                adjusted=Decimal(to["adjusted"]),
            )
        case _:
            return None
    return Note(
        customer=entry["c"],
        feature=entry["f"],
        revision=revision,
        time=int(entry["t"]),
        what=what,
        traceparent=entry.get("tp"),
    )


def _waiver(
    feature: str, ordinal: int, start: int, end: int, name: str, scope: Mapping[str, str], levels: list[str]
) -> Waiver:
    counter = (ordinal, start)
    return Waiver(feature=feature, name=name, scope=scope, counter=counter, until=end, levels=frozenset(levels))


def _noted(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": entry["n"], "window": CountedWindow(entry["o"], entry["s"], entry["e"])}


def _measured(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"used": Decimal(entry["u"]), "limit": Decimal(entry["l"]), "level": entry["lv"]}


def _moved(entry: Mapping[str, Any], revision: int) -> dict[str, Any]:
    return {
        **_noted(entry),
        "feature": entry["f"],
        "meter": entry["m"],
        "revision": revision,
        "time": int(entry["t"]),
    }


def use_of(entry: Mapping[str, Any], revision: int) -> UseEntry:
    """A granted consume, as of a cell's revision."""
    return UseEntry(
        id=entry["i"],
        feature=entry["f"],
        meter=entry["m"],
        revision=revision,
        time=int(entry["t"]),
        amount=Decimal(entry["a"]),
        dimensions=entry.get("d", {}),
        windows=_windows(entry["w"]),
        carried={int(ordinal): Decimal(carried) for ordinal, carried in entry.get("cy", {}).items()},
        traceparent=entry.get("tp"),
    )


def shown_after(use: UseEntry, cell: Cell) -> UseEntry:
    """The use with what its windows show in the image that it was written with."""
    counters = [(window.ordinal, window.start) for window in use.windows]
    shown = [Shown(cell.used.get(name, ZERO) + cell.raised(name), cell.raised(name)) for name in counters]
    return replace(use, after=tuple(shown))


def as_shown(what: CellEntry, before: Cell, after: Cell) -> CellEntry:
    """The entry with what its image tells beside: what is carried, in layers, into the windows that its write opened,
    of limits that carry over (an adjustment says it of its window in any case); of a reset which decisions are out."""
    match what:
        case UseEntry() | FollowEntry():
            found = {w.ordinal: into for w in what.windows if (into := _opened(w, before, after)) is not None}
            return replace(what, opened=found) if found else what
        case CarryEntry():
            into = _opened(what.window, before, after)
            return what if into is None else replace(what, into=into)
        case AdjustEntry():
            into = _opened(what.window, before, after)
            counter = (what.window.ordinal, what.window.start)
            if into is None and what.window.ordinal in after.newest:
                into = CarriedIn(layers=after.standing(counter).layers)
            return what if into is None else replace(what, into=into)
        case ResetEntry():
            return replace(what, marks=tuple(after.resets.get((w.ordinal, w.start), NO_RESET) for w in what.windows))
    return what


def _opened(window: CountedWindow, before: Cell, after: Cell) -> CarriedIn | None:
    """What the window began with; None: it was open before the write, or nothing carries over into it."""
    counter = (window.ordinal, window.start)
    if counter in before.used or counter not in after.used or after.newest.get(window.ordinal) != window.start:
        return None
    earlier = [start for ordinal, start in before.used if ordinal == window.ordinal and start < window.start]
    return CarriedIn(layers=after.standing(counter).layers, after=max(earlier, default=None))


def _reset(entry: Mapping[str, Any]) -> list[tuple[int, Instant, Instant, str, str]]:
    """The windows of a reset: ordinal, start, end, what was taken out, and how much of that had followed."""
    return [(*window, "0") if len(window) == RESET_PARTS else tuple(window) for window in entry["w"]]


def follow_shown(entry: FollowEntry, cell: Cell) -> FollowEntry:
    """The entry with what its windows show in the image that it was written with."""
    shown = (
        each._replace(followed=cell.followed.get((each.window.ordinal, each.window.start), ZERO))
        for each in entry.moved
    )
    return replace(entry, moved=tuple(shown))


def _follow_of(entry: Mapping[str, Any], revision: int) -> FollowEntry:
    """Usage that follows, as of a cell's revision; how much, its image shows."""
    return FollowEntry(
        feature=entry["f"],
        meter=entry["m"],
        revision=revision,
        time=int(entry["t"]),
        moved=tuple(
            Followed(
                CountedWindow(ordinal, start, end),
                Decimal(amount),
                None if carried is None else Decimal(carried),
                Decimal(excluded),
            )
            for ordinal, start, end, amount, _, carried, excluded in (_padded(window) for window in entry["w"])
        ),
    )


def _padded(window: Sequence[Any]) -> Sequence[Any]:
    """A window of either kind of entry in the longer form."""
    return window if len(window) == FOLLOW_PARTS else (*window, None, None, "0")


def settle_of(entry: Mapping[str, Any], revision: int) -> SettleEntry:
    """A settled consume, as of a cell's revision; it counts in all of the decision's windows, also those that the cell
    has removed, or excluded by a reset."""
    amount, by = Decimal(entry["to"]), Decimal(entry["a"])
    if amount < 0 or amount < by:
        raise InvariantBroken("a decision counts no less than nothing")
    return SettleEntry(
        id=entry["i"],
        feature=entry["f"],
        meter=entry["m"],
        revision=revision,
        time=int(entry["of"]),
        settled_at=int(entry["t"]),
        amount=amount,
        by=by,
        dimensions=entry.get("d", {}),
        windows=_windows((*entry["w"], *entry.get("g", ()), *entry.get("x", ()))),
        excluded=_windows(entry.get("x", ())),
        removed=_windows(entry.get("g", ())),
        decided_at_revision=entry.get("r"),
        followed=_windows(entry.get("fw", ())),
        traceparent=entry.get("tp"),
    )


def reset_of(entry: Mapping[str, Any], revision: int) -> ResetEntry:
    """A reset by hand, as of a cell's revision."""
    parts = [
        (CountedWindow(o, s, e), Decimal(amount), Decimal(followed)) for o, s, e, amount, followed in _reset(entry)
    ]
    if any(amount <= 0 or not 0 <= followed <= amount for _, amount, followed in parts):
        raise InvariantBroken("a reset excludes something, or is none")
    return ResetEntry(
        id=entry["i"],
        feature=entry["f"],
        meter=entry["m"],
        revision=revision,
        time=int(entry["t"]),
        effective_at=int(entry["at"]),
        taken=tuple((window, amount - followed) for window, amount, followed in parts),
        followed=tuple((window, followed) for window, _, followed in parts if followed),
    )


def _windows(listed: Any) -> tuple[CountedWindow, ...]:
    return tuple(CountedWindow(*window) for window in listed)
