"""Attributes: domain values as items, and back, derived from their type annotations.

    text, number, truth, bytes, Enum    an attribute of that kind, so that conditions and indexes can use it
    everything else                     compact JSON text (`storage.base.documents`)

A field with its default value is left out. So is a field that the item's key holds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from enum import Enum
from functools import partial
from types import NoneType, UnionType
from typing import Any, Generic, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from tallygate.errors import InvariantBroken
from tallygate.storage.base.documents import NO_DEFAULT, Codec, Convert, Form, compact, defaults_of, read_document
from tallygate.storage.base.expressions import Item, Value

T = TypeVar("T")
_DOCUMENTS = Codec()


class _Field(NamedTuple):
    """A field.

    stored: its stored name
    form: how it is written and read
    default: its default value, at which it is left out; NO_DEFAULT: it has none
    optional: whether it may be None
    """

    name: str
    stored: str
    form: Form
    default: object
    optional: bool


class Attributes(Generic[T]):
    """Writes and reads the items of one class.

    names: stored names of fields whose stored name differs
    apart: fields that the item does not hold: its key does, or they follow from others
    forms: forms of fields that are stored in another way
    """

    def __init__(
        self,
        kind: type[T],
        *,
        names: Mapping[str, str] | None = None,
        apart: Collection[str] = (),
        forms: Mapping[str, Form] | None = None,
    ) -> None:
        self._kind = kind
        self._names, self._apart, self._forms = names or {}, frozenset(apart), forms or {}
        self._plan: list[_Field] = []

    def item(self, value: T) -> Item:
        """Return the attributes of a value, without its key."""
        found: Item = {}
        for field in self._fields():
            held = getattr(value, field.name)
            if held is not None and held != field.default:
                found[field.stored] = held if field.form.write is None else field.form.write(held)
        return found

    def value(self, item: Item, **apart: Any) -> T:
        """Return the value of an item.

        apart: the values of the fields that the item does not hold

        Raises InvariantBroken.
        """
        held = dict(apart)
        for field in self._fields():
            stored = item.get(field.stored)
            if stored is not None:
                held[field.name] = _read(field, stored)
            elif field.default is NO_DEFAULT:
                if not field.optional:
                    raise InvariantBroken(f"attribute {field.stored} is missing")
                held[field.name] = None
        return self._kind(**held)

    def _fields(self) -> list[_Field]:
        if not self._plan:
            hints = get_type_hints(self._kind)
            self._plan = [
                _Field(
                    name,
                    self._names.get(name, name),
                    self._forms.get(name) or _form(hints[name]),
                    default,
                    NoneType in get_args(hints[name]),
                )
                for name, default in defaults_of(self._kind).items()
                if name not in self._apart
            ]
        return self._plan


def _read(field: _Field, stored: Value) -> Any:
    try:
        return stored if field.form.read is None else field.form.read(stored)
    except (TypeError, ValueError, LookupError, ArithmeticError, AssertionError) as error:
        raise InvariantBroken(f"attribute {field.stored} cannot be read: {error}") from error


def _form(kind: Any) -> Form:
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return Form(lambda value: value.value, kind)
    if kind is int:
        return Form(None, _whole)
    if kind is str:
        return Form(str, _of(str))
    if kind in (Decimal, bool, bytes):
        return Form(None, _of(kind))
    return Form(partial(document_text, kind=kind), partial(value_of, kind=kind))


def document_text(value: Any, kind: Any) -> str:
    """Return the text that stores a value of this type."""
    return compact(_DOCUMENTS.write(value, kind))


def value_of(text: str, kind: Any) -> Any:
    return _DOCUMENTS.read(read_document(text), kind)


def _whole(value: Value) -> int:
    if not isinstance(value, int | Decimal) or value != int(value):
        raise ValueError("it must be a whole number")
    return int(value)


def _of(kind: type) -> Convert:
    def read(value: Value) -> Value:
        if not isinstance(value, kind):
            raise ValueError(f"it must be a {kind.__name__}")  # noqa: TRY004  # the value is stored, not passed
        return value

    return read
