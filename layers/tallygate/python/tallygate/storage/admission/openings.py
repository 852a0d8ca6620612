"""How a window of a carryover quota is opened in its cell; see `domain.admission.openings`.

u.<ordinal>.<start>   starts at minus the carried amount     k.…   the carried amount     y.…   its layers
f.<ordinal>           start of the most recently opened window
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tallygate.domain.admission.openings import Opening
from tallygate.domain.limits.counters import CounterName
from tallygate.domain.limits.rollover import Layer, layers_text
from tallygate.storage.admission import cell_image
from tallygate.storage.base.expressions import Absent, All, Change, Compare, Condition, Set, absent_or


def not_open_yet(counter: CounterName, opens: Opening) -> Condition:
    """The window is not open, and its opening balance has not changed."""
    clauses: list[Condition] = [Absent(cell_image.used_name(counter))]
    if opens.after is not None:
        earlier, seen = opens.after
        clauses.append(as_seen(cell_image.used_name(earlier), seen))
    if not opens.adjoins:
        clauses.append(as_seen(cell_image.newest_name(counter[0]), opens.last))
    return All(tuple(clauses))


def opening_changes(counter: CounterName, opens: Opening) -> list[Change]:
    """Return the changes that store the carried amount, beside the counter that starts below zero."""
    changes: list[Change] = [Set(cell_image.newest_name(counter[0]), counter[1])]
    if not opens.layers:
        return changes
    changes.append(Set(cell_image.window_name(cell_image.CARRIED, counter), opens.carried))
    if (text := kept_layers(opens.layers)) is not None:
        changes.append(Set(cell_image.window_name(cell_image.LAYERS, counter), text))
    return changes


def kept_layers(layers: Sequence[Layer]) -> str | None:
    """Return the stored form of the layers; None for the implied form: one layer of age 1."""
    return None if len(layers) == 0 or (len(layers) == 1 and layers[0].age == 1) else layers_text(layers)


def as_seen(name: str, seen: Decimal | int | str | None) -> Condition:
    """The attribute has the value that was seen, or is still absent."""
    return Absent(name) if seen is None else Compare(name, "=", seen)


def still(name: str, seen: Decimal) -> Condition:
    """The number has not changed; a number never set counts as zero."""
    same = Compare(name, "=", seen)
    return absent_or(same) if seen == 0 else same
