"""Conditions and changes as values: rendered to DynamoDB's expressions, or evaluated against an image.

Both readings of a condition must agree on every image. The contract suite compares the memory engine, which evaluates
it, with a real engine, which receives the text. Names are flat attributes and always go through placeholders.

DynamoDB's rules shape this vocabulary: a condition has no arithmetic, SET takes one + or −, a comparison with an absent
attribute is false, contains() of an absent set is false.
"""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never

from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.values import value

Value = str | int | Decimal | bytes | bool | frozenset[bytes] | None
Item = dict[str, Value]


@value(kw_only=False)
class Absent:
    name: str


@value(kw_only=False)
class Present:
    name: str


@value(kw_only=False)
class Compare:
    """`name op value`. False if the attribute is absent."""

    name: str
    op: str
    value: str | int | Decimal | bytes | bool

    def __post_init__(self) -> None:
        assert self.op in ("=", "<", "<=", ">", ">=")


@value(kw_only=False)
class Contains:
    """The set attribute holds the element."""

    name: str
    element: bytes


@value(kw_only=False)
class Not:
    part: Condition


@value(kw_only=False)
class All:
    """Every part holds. True without parts."""

    parts: tuple[Condition, ...]


@value(kw_only=False)
class Any:
    """At least one part holds. False without parts."""

    parts: tuple[Condition, ...]


@value(kw_only=False)
class AbsentOr:
    """The attribute is absent, or the comparison holds."""

    comparison: Compare


Condition = Absent | Present | Compare | AbsentOr | Contains | Not | All | Any


@value(kw_only=False)
class Set:
    name: str
    value: str | int | Decimal | bytes | bool | frozenset[bytes]


@value(kw_only=False)
class SetOnce:
    """Set the attribute if it is absent; otherwise keep its value."""

    name: str
    value: str | int | Decimal | bytes | bool


@value(kw_only=False)
class Increase:
    """Add to a number. An absent number counts as zero."""

    name: str
    by: int | Decimal


@value(kw_only=False)
class Include:
    """Add elements to a set. An absent set counts as empty."""

    name: str
    elements: frozenset[bytes]


@value(kw_only=False)
class Copy:
    """Set to another attribute's value before the write. The item must have that attribute."""

    name: str
    source: str


@value(kw_only=False)
class SetSum:
    """Set to another attribute's value before the write (zero if absent), plus `by`."""

    name: str
    source: str
    by: int | Decimal


@value(kw_only=False)
class Remove:
    name: str


_SEVERAL = (All, Any)
"""A tuple: a union would be made anew by each test."""
Change = Set | SetOnce | Increase | Include | Copy | SetSum | Remove


absent_or = AbsentOr
"""A name that reads like the clause it makes."""


class _Names(dict[str, str]):
    """Attribute name -> placeholder, allotted at first use."""

    def __missing__(self, name: str) -> str:
        found = self[name] = f"#{len(self)}"
        return found


class _Values(dict[tuple[type, Value], str]):
    """Value -> placeholder. The key includes the type, because True and 1 are different values."""

    def __missing__(self, key: tuple[type, Value]) -> str:
        found = self[key] = f":{len(self)}"
        return found


class Placeholders:
    """Allots placeholders `#0` and `:0`. One instance per request to the engine."""

    __slots__ = ("allotted_names", "allotted_values")

    def __init__(self) -> None:
        self.allotted_names = _Names()
        self.allotted_values = _Values()

    @property
    def names(self) -> dict[str, str]:
        """Placeholder -> attribute name, in the engine's form."""
        return {placeholder: name for name, placeholder in self.allotted_names.items()}

    @property
    def values(self) -> dict[str, Value]:
        """Placeholder -> value."""
        return {placeholder: value for (_, value), placeholder in self.allotted_values.items()}


def render(condition: Condition, using: Placeholders) -> str:
    """Return the ConditionExpression. An `Any` without parts never holds, so it requires an impossible attribute.

    The kinds are tested in the order of their frequency, because this runs several times per decision.
    """
    names, values = using.allotted_names, using.allotted_values
    if isinstance(condition, Compare):
        return f"{names[condition.name]} {condition.op} {values[(type(condition.value), condition.value)]}"
    if isinstance(condition, AbsentOr):
        compared = condition.comparison
        name, value = names[compared.name], compared.value
        return f"(attribute_not_exists({name}) OR {name} {compared.op} {values[(type(value), value)]})"
    if isinstance(condition, Absent):
        return f"attribute_not_exists({names[condition.name]})"
    if isinstance(condition, _SEVERAL):
        if not condition.parts:
            never = f"attribute_exists({names['never']})"
            return never if isinstance(condition, Any) else f"NOT {never}"
        if len(condition.parts) == 1:
            return render(condition.parts[0], using)
        word = " AND " if isinstance(condition, All) else " OR "
        return f"({word.join([render(part, using) for part in condition.parts])})"
    if isinstance(condition, Not):
        return f"NOT {render(condition.part, using)}"
    if isinstance(condition, Contains):
        return f"contains({names[condition.name]}, {values[(type(condition.element), condition.element)]})"
    return f"attribute_exists({names[condition.name]})"


def render_changes(changes: tuple[Change, ...], using: Placeholders) -> str:
    """Return the UpdateExpression."""
    sets, adds, removes = [], [], []
    names, values = using.allotted_names, using.allotted_values
    for change in changes:
        name = names[change.name]
        match change:
            case Set(_, value):
                sets.append(f"{name} = {values[(type(value), value)]}")
            case SetOnce(_, value):
                sets.append(f"{name} = if_not_exists({name}, {values[(type(value), value)]})")
            case Increase(_, by):
                sets.append(f"{name} = if_not_exists({name}, {values[(int, 0)]}) + {values[(type(by), by)]}")
            case Include(_, elements):
                adds.append(f"{name} {values[(type(elements), elements)]}")
            case Copy(_, source):
                sets.append(f"{name} = {names[source]}")
            case SetSum(_, source, by):
                sets.append(f"{name} = if_not_exists({names[source]}, {values[(int, 0)]}) + {values[(type(by), by)]}")
            case Remove():
                removes.append(name)
            case _:
                assert_never(change)
    clauses = (("SET", sets), ("ADD", adds), ("REMOVE", removes))
    return " ".join(f"{word} {', '.join(parts)}" for word, parts in clauses if parts)


def holds(condition: Condition, image: Item | None) -> bool:
    """Return whether the condition holds for an image; None: the item does not exist."""
    match condition:
        case Absent(name):
            return image is None or name not in image
        case Present(name):
            return image is not None and name in image
        case Compare(name, op, value):
            return image is not None and name in image and _compares(image[name], op, value)
        case AbsentOr(comparison):
            return image is None or comparison.name not in image or holds(comparison, image)
        case Contains(name, element):
            held = image.get(name) if image is not None else None
            return isinstance(held, frozenset) and element in held
        case Not(part):
            return not holds(part, image)
        case All(parts):
            return all(holds(part, image) for part in parts)
        case Any(parts):
            return any(holds(part, image) for part in parts)
    assert_never(condition)


def _compares(left: Value, op: str, right: Value) -> bool:
    if op == "=":
        return _same_kind(left, right) and left == right
    if not _same_kind(left, right) or isinstance(left, bool | frozenset | None):
        return False
    order = (left > right) - (left < right)  # type: ignore[operator]  # both are of one ordered kind
    return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[op]


def _same_kind(left: Value, right: Value) -> bool:
    return _kind(left) is _kind(right)


def _kind(value: Value) -> type:
    return Decimal if isinstance(value, int) and not isinstance(value, bool) else type(value)


def changed(image: Item | None, key: Item, changes: tuple[Change, ...]) -> Item:
    """Return the image after the changes. As in the engine, every right side reads the image before them."""
    before = image or {}
    after: Item = dict(before) if image is not None else dict(key)
    for change in changes:
        match change:
            case Set(name, value):
                after[name] = value
            case SetOnce(name, value):
                after.setdefault(name, value)
            case Increase(name, by):
                held = before.get(name, 0)
                assert isinstance(held, int | Decimal)
                after[name] = EXACT.add(Decimal(held), Decimal(by))
            case Include(name, elements):
                held = before.get(name, frozenset())
                assert isinstance(held, frozenset)
                after[name] = held | elements
            case Copy(name, source):
                after[name] = before[source]
            case SetSum(name, source, by):
                held = before.get(source, 0)
                assert isinstance(held, int | Decimal)
                after[name] = EXACT.add(Decimal(held), Decimal(by))
            case Remove(name):
                after.pop(name, None)
            case _:
                assert_never(change)
    return after
