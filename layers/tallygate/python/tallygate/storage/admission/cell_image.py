"""The image of a cell: its attributes and their meaning.

cell        u.<ordinal>.<start ms>   used in that quota window         n     revision, +1 with every write
            r.<ordinal>.<index>      admitted in that sub-window       last  journal entry of the newest write
            ids.<minute>             request marks of that minute      cv    version of the limits last seen
            fl                       floor: newest end of a removed window
            f.<ordinal>              start of the newest window of a first-use quota; of a carryover quota, start of
                                     the most recently opened window
            fe.<ordinal>             starts of the windows opened last for events
            sus, sus.<ordinal>       until when (ms) usage is suspended: all of it, or the scope of that quota's limit
            sb, sb.<ordinal>         the tier that suspended it (`domain.admission.tier_suspensions`)
            lv.<ordinal>.<start ms>  waived levels: after a manual resume their tiers suspend no more in the window
            k.<ordinal>.<start ms>   carried into the window           a.…   adjusted in it; u is less by the same
            y.<ordinal>.<start ms>   the carried amount in layers with their ages; absent: one layer of age 1
            z.<ordinal>.<start ms>   the decisions that manual resets exclude (`domain.entries.reset_marks`)
            st                       revision before the newest settlement or reset
            g.<ordinal>.<start ms>   when its grace began              d.…   when its first denial was marked
            e.<ordinal>.<start ms>   the part of u that came by events
            ev.<ordinal>.<start ms>  the total's journal number that e came from
            w.<ordinal>.<start ms>   the part of u that followed from other windows (`domain.admission.following`)
            ws.<ordinal>.<start ms>  origin of w: since when, from which quotas, and the live counter at that write
            wn.<ordinal>.<start ms>  revision before the write that let it follow
            wb.<ordinal>.<start ms>  the part of the live counter that came by events and has followed
            fw                       how many followings of the customer the cell has applied
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from tallygate.domain.admission.cells import WHOLE_FEATURE, Cell
from tallygate.domain.admission.origins import Origin, origin_of
from tallygate.domain.admission.tier_causes import cause_of
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.entries.reset_marks import mark_of
from tallygate.domain.limits.counters import CounterName
from tallygate.domain.limits.rollover import layers_of
from tallygate.storage.base.expressions import Item
from tallygate.storage.base.items import REVISION, integer

NAMES_REMEMBERED = 8_192
USED, RATED, MARKS = "u.", "r.", "ids."
BROUGHT, BROUGHT_FROM = "e.", "ev."
NEWEST, OPENED_FOR_EVENTS = "f", "fe"
CARRIED, ADJUSTED, GRACE, DENIED, LAYERS, RESET, WAIVED = BESIDE = ("k", "a", "g", "d", "y", "z", "lv")
FOLLOWED, FOLLOWED_FROM, FOLLOWED_AT, FOLLOWED_BROUGHT = OF_FOLLOWED = ("w", "ws", "wn", "wb")
FOLLOWINGS = "fw"
CAUSE = "sb"
_OF_TEXTS = frozenset((LAYERS, RESET, OPENED_FOR_EVENTS, FOLLOWED_FROM, CAUSE, WAIVED))
VERSION, FLOOR, SUSPENDED, CORRECTED = "cv", "fl", "sus", "st"


def used_name(counter: CounterName) -> str:
    return f"{USED}{counter[0]}.{counter[1]}"


def rated_name(counter: CounterName) -> str:
    return f"{RATED}{counter[0]}.{counter[1]}"


def brought_name(counter: CounterName) -> str:
    """The part of a quota counter that came by events (`storage.journal.bring_in`)."""
    return f"{BROUGHT}{counter[0]}.{counter[1]}"


def brought_from_name(counter: CounterName) -> str:
    """The journal number of the total that the part came from."""
    return f"{BROUGHT_FROM}{counter[0]}.{counter[1]}"


def window_name(kind: str, counter: CounterName) -> str:
    """A value about a quota's window beside its counter: CARRIED, ADJUSTED, GRACE, DENIED, RESET, WAIVED and others."""
    return f"{kind}.{counter[0]}.{counter[1]}"


def newest_name(ordinal: int) -> str:
    return f"{NEWEST}.{ordinal}"


def opened_for_events_name(ordinal: int) -> str:
    return f"{OPENED_FOR_EVENTS}.{ordinal}"


def opened_for_events_text(begins: Sequence[Instant]) -> str:
    """Return the stored form of window starts, in the order in which the windows were opened."""
    return ",".join(str(start) for start in begins)


def suspended_name(ordinal: int) -> str:
    return SUSPENDED if ordinal == WHOLE_FEATURE else f"{SUSPENDED}.{ordinal}"


def cause_name(ordinal: int) -> str:
    """The tier that caused the suspension of this name."""
    return CAUSE if ordinal == WHOLE_FEATURE else f"{CAUSE}.{ordinal}"


def waived_text(levels: Collection[str]) -> str:
    """Return the stored form of waived levels, sorted."""
    return ",".join(sorted(levels))


def marks_name(minute: int) -> str:
    return f"{MARKS}{minute}"


def cell_of(item: Item | None) -> Cell:
    """Return the cell of an item; None: the cell was never written."""
    if item is None:
        return Cell()
    counted: dict[str, dict[CounterName, Decimal]] = {}
    marks: dict[int, frozenset[bytes]] = {}
    suspended: dict[int, Instant] = {}
    newest: dict[int, Instant] = {}
    texts: dict[str, dict[str, str]] = {}
    for name, value in item.items():
        if isinstance(value, Decimal):
            kind, counter, dot, rest = _parsed(name)
            if counter is not None:
                counted.setdefault(kind, {})[counter] = value
            elif kind == SUSPENDED:
                suspended[int(rest) if dot else WHOLE_FEATURE] = int(value)
            elif kind == NEWEST:
                newest[int(rest)] = int(value)
            continue
        kind, _, rest = name.partition(".")
        if isinstance(value, frozenset) and kind == "ids":
            marks[int(rest)] = value
        elif isinstance(value, str) and kind in _OF_TEXTS:
            texts.setdefault(kind, {})[rest] = value
    floor = item.get(FLOOR)
    return Cell(
        used=counted.get("u", {}),
        rated=counted.get("r", {}),
        carried=counted.get(CARRIED, {}),
        adjusted=counted.get(ADJUSTED, {}),
        newest=newest,
        brought=counted.get("e", {}),
        followed=counted.get(FOLLOWED, {}),
        followings=integer(item, FOLLOWINGS, 0),
        grace={counter: int(began) for counter, began in counted[GRACE].items()} if GRACE in counted else {},
        denied=frozenset(counted.get(DENIED, ())),
        marks=marks,
        suspended=suspended,
        version=integer(item, VERSION, 0),
        floor=None if floor is None else integer(item, FLOOR),
        revision=integer(item, REVISION, 0),
        **(_of_texts(texts, counted) if texts else {}),
    )


def _of_texts(
    texts: Mapping[str, Mapping[str, str]], counted: Mapping[str, Mapping[CounterName, Decimal]]
) -> dict[str, Any]:
    """Return the members of a cell that are stored as texts. Most cells have none."""
    opened = texts.get(OPENED_FOR_EVENTS, {})
    causes = texts.get(CAUSE, {})
    return {
        "layers": {_counter(rest): layers_of(text) for rest, text in texts.get(LAYERS, {}).items()},
        "resets": {_counter(rest): mark_of(text) for rest, text in texts.get(RESET, {}).items()},
        "opened_for_events": {int(rest): tuple(map(int, text.split(","))) for rest, text in opened.items()},
        "origins": _origins(texts.get(FOLLOWED_FROM, {}), counted),
        "causes": {int(rest) if rest else WHOLE_FEATURE: cause_of(text) for rest, text in causes.items()},
        "waived": {_counter(rest): frozenset(text.split(",")) for rest, text in texts.get(WAIVED, {}).items()},
    }


@lru_cache(maxsize=NAMES_REMEMBERED)
def _parsed(name: str) -> tuple[str, CounterName | None, str, str]:
    """Return the kind of a number's attribute, the counter if it names one, and the other parts of its name.

    Customers share the names: limits have small ordinals, and windows begin at the same instants.
    """
    kind, dot, rest = name.partition(".")
    ordinal, of_window, start = rest.partition(".")
    return kind, (int(ordinal), int(start)) if of_window else None, dot, rest


def _counter(rest: str) -> CounterName:
    """Return the counter named by the end of an attribute's name."""
    ordinal, _, start = rest.partition(".")
    return int(ordinal), int(start)


def _origins(
    texts: Mapping[str, str], counted: Mapping[str, Mapping[CounterName, Decimal]]
) -> dict[CounterName, Origin]:
    revisions, brought = counted.get(FOLLOWED_AT, {}), counted.get(FOLLOWED_BROUGHT, {})
    found = {_counter(rest): text for rest, text in texts.items()}
    return {
        counter: origin_of(text, revision=int(revisions.get(counter, 0)), brought=brought.get(counter, ZERO))
        for counter, text in found.items()
    }
