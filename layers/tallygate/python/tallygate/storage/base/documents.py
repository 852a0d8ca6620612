"""Documents: domain values as JSON, and back, derived from their type annotations.

    dataclass     an object of its fields; a field at its default is left out
    NamedTuple    a list of its fields; defaults at the end are left out
    union         of dataclasses, or their base class: the object and its kind, under `k`
    Decimal       plain text: exact          Enum    its value      bytes   hexadecimal      tuple   a list
    frozenset     a sorted list
    Mapping       an object; whole numbers as keys become text

A `Codec` knows the stored names. A kind or a field without a stored name cannot be stored. So a field renamed in the
domain keeps its stored name, or its first use fails. The form of a class is computed once, at its first use.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import MISSING, Field, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from tallygate.domain.base.quantities import format_quantity, plain
from tallygate.errors import InvariantBroken

KIND = "k"
STORED_FORM = 3
"""The version of the stored form.

It is raised when older items become unreadable. A local stack keeps it with its state.
"""

Convert = Callable[[Any], Any]


class Form(NamedTuple):
    """How values of a type are written and read; None: unchanged."""

    write: Convert | None = None
    read: Convert | None = None


AS_IT_IS = Form()
NO_DEFAULT = object()
"""Equal to no value of a field."""


class _Field(NamedTuple):
    """A field of a class.

    stored: its stored name
    form: how it is written and read
    default: its default value, at which it is left out; NO_DEFAULT: it has none
    """

    name: str
    stored: str
    form: Form
    default: object


class Codec:
    """Writes and reads values whose classes have stored names.

    kinds: stored name of each class that is a member of a union
    names: stored name of each field, by its name; None: all fields keep their names
    forms: forms of types that are stored in another way
    """

    def __init__(
        self,
        kinds: Mapping[str, type] | None = None,
        names: Mapping[str, str] | None = None,
        forms: Mapping[Any, Form] | None = None,
    ) -> None:
        self._kinds = dict(kinds or {})
        self._kind_of = {kind: name for name, kind in self._kinds.items()}
        self._names = names
        self._forms: dict[Any, Form] = dict(forms or {})
        self._readers: dict[type, Convert] = {}
        self._writers: dict[type, Convert] = {}
        assert names is None or len({*names.values(), KIND}) == len(names) + 1, "a stored name has one meaning"

    def write(self, value: Any, kind: Any = None) -> Any:
        """Return the document of a value. Without `kind`, the value is a member of a union."""
        if kind is not None:
            form = self.form(kind)
            return value if form.write is None else form.write(value)
        made = type(value)
        writer = self._writers.get(made) or self.writer(made)
        return {KIND: self._kind_of[made], **writer(value)}

    def read(self, document: Any, kind: Any = None) -> Any:
        """Return the value of a document. Without `kind`, it is a member of a union.

        Raises LookupError and ValueError for an invalid document.
        """
        if kind is None:
            return self._read_member(document)
        form = self.form(kind)
        return document if form.read is None else form.read(document)

    def form(self, kind: Any) -> Form:
        """Return the form of a type annotation."""
        found = self._forms.get(kind)
        if found is None:
            found = self._forms[kind] = self._form(kind)
        return found

    def _form(self, kind: Any) -> Form:
        origin, parts = get_origin(kind), get_args(kind)
        if kind in (str, int, bool, NoneType, Any):
            return AS_IT_IS
        if kind is Decimal:
            return Form(plain, Decimal)
        if kind is bytes:
            return Form(bytes.hex, bytes.fromhex)
        if origin in (Union, UnionType):
            return self._union([part for part in parts if part is not NoneType], NoneType in parts)
        if origin is tuple and parts[1:] != (...,):
            return _pair([self.form(part) for part in parts])
        if origin is tuple or (isinstance(origin, type) and issubclass(origin, Sequence | AbstractSet)):
            return _several(self.form(parts[0]), origin)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return _mapping(int if parts[0] is int else None, self.form(parts[1]))
        if isinstance(kind, type) and issubclass(kind, Enum):
            return Form(lambda value: value.value, kind)
        if isinstance(kind, type) and issubclass(kind, tuple):
            return self._list(kind)
        if kind is not object and isinstance(kind, type) and any(kind in each.__mro__[1:] for each in self._kind_of):
            return Form(self.write, self._read_member)
        if is_dataclass(kind) and isinstance(kind, type):
            return self._object(kind)
        raise InvariantBroken(f"the type {kind} has no stored form")

    def _union(self, parts: Sequence[Any], or_none: bool) -> Form:
        if len(parts) == 1:
            form = self.form(parts[0])
        elif all(part in self._kind_of for part in parts):
            form = Form(self.write, self._read_member)
        else:
            raise InvariantBroken(f"the members of {parts} need stored kinds")
        if not or_none or form is AS_IT_IS:
            return form
        write, read = form.write, form.read
        return Form(
            write and (lambda value: None if value is None else write(value)),
            read and (lambda document: None if document is None else read(document)),
        )

    def _read_member(self, document: Mapping[str, Any]) -> Any:
        return self._reader(self._kinds[document[KIND]])(document)

    def _list(self, kind: type) -> Form:
        listed = self._fields(kind)
        forms = [each.form for each in listed]

        def write(value: tuple[Any, ...]) -> list[Any]:
            parts = [part if f.write is None else f.write(part) for f, part in zip(forms, value, strict=True)]
            for each in reversed(listed):
                if value[len(parts) - 1] != each.default:
                    return parts
                parts.pop()
            return parts

        def read(document: Sequence[Any]) -> Any:
            return kind(*(part if f.read is None else f.read(part) for f, part in zip(forms, document, strict=False)))

        return Form(write, read)

    def _object(self, kind: type) -> Form:
        def write(value: Any) -> Any:
            return self.writer(kind)(value)

        def read(document: Any) -> Any:
            return self._reader(kind)(document)

        # The fields are read when the first value comes, because a class may contain itself.
        return Form(write, read)

    def writer(self, kind: type) -> Convert:
        """Return the function that writes values of this class."""
        found = self._writers.get(kind)
        if found is not None:
            return found
        plan = [(f.name, f.stored, f.form.write, f.default) for f in self._fields(kind)]

        def write(value: Any) -> dict[str, Any]:
            document: dict[str, Any] = {}
            for name, stored, form, default in plan:
                held = getattr(value, name)
                if held != default:
                    document[stored] = held if form is None else form(held)
            return document

        self._writers[kind] = write
        return write

    def _reader(self, kind: type) -> Convert:
        found = self._readers.get(kind)
        if found is not None:
            return found
        plan = [(f.name, f.stored, f.form.read) for f in self._fields(kind)]

        def read(document: Mapping[str, Any]) -> Any:
            try:
                held = {
                    name: document[stored] if form is None else form(document[stored])
                    for name, stored, form in plan
                    if stored in document
                }
                if len(held) + (KIND in document) != len(document):
                    # Left unread, a field that lost its name in the domain would silently take its default.
                    raise LookupError(f"a stored {kind.__name__} has a field that the class does not have")
                return kind(**held)
            except (TypeError, AssertionError) as error:
                raise LookupError(f"a stored {kind.__name__} is invalid: {error}") from error

        self._readers[kind] = read
        return read

    def _fields(self, kind: type) -> list[_Field]:
        hints = get_type_hints(kind)
        return [
            _Field(name, self._stored(kind, name), self.form(hints[name]), default)
            for name, default in defaults_of(kind).items()
        ]

    def _stored(self, kind: type, name: str) -> str:
        if self._names is None or issubclass(kind, tuple):
            return name
        if name not in self._names:
            raise InvariantBroken(f"the field {name} of {kind.__name__} has no stored name")
        return self._names[name]


def defaults_of(kind: type) -> dict[str, object]:
    """Return the fields of a class's constructor with their default values, for comparison."""
    if not is_dataclass(kind):
        given = kind._field_defaults  # type: ignore[attr-defined]  # a NamedTuple
        return {name: given.get(name, NO_DEFAULT) for name in kind._fields}  # type: ignore[attr-defined]
    made = [each for each in fields(kind) if each.init]
    return {each.name: each.default if each.default is not MISSING else _made_by_factory(each) for each in made}


def _made_by_factory(each: Field[Any]) -> object:
    return NO_DEFAULT if each.default_factory is MISSING else each.default_factory()


def _pair(forms: Sequence[Form]) -> Form:
    def write(value: Sequence[Any]) -> list[Any]:
        return [part if f.write is None else f.write(part) for f, part in zip(forms, value, strict=True)]

    def read(document: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(part if f.read is None else f.read(part) for f, part in zip(forms, document, strict=True))

    return Form(write, read)


def _several(part: Form, origin: type) -> Form:
    made = frozenset if issubclass(origin, AbstractSet) else tuple
    write, read = part.write, part.read
    ordered: Convert = sorted if made is frozenset else list
    return Form(
        ordered if write is None else (lambda value: [write(each) for each in ordered(value)]),
        made if read is None else (lambda document: made(read(each) for each in document)),
    )


def _mapping(key: type | None, part: Form) -> Form:
    write, read = part.write, part.read
    if key is None and write is None and read is None:
        return Form(dict, dict)
    written: Convert = str if key is not None else lambda name: name
    named: Convert = key if key is not None else lambda name: name
    return Form(
        lambda value: {written(name): each if write is None else write(each) for name, each in value.items()},
        lambda document: {named(name): each if read is None else read(each) for name, each in document.items()},
    )


def compact(value: Any) -> str:
    """Return compact JSON with sorted keys, the stored form of documents. `read_document` reads it."""
    return _SORTED.encode(value)


def in_order(value: Any) -> str:
    """Return compact JSON with members in their given order, so that equal values made alike give equal texts."""
    return _IN_ORDER.encode(value)


def read_document(text: str | bytes) -> Any:
    """Return the value of a stored document, with exact decimals."""
    return _EXACT.decode(text if isinstance(text, str) else text.decode())


def _number(value: object) -> float:
    """Return a decimal of at most 15 digits, which a double holds exactly, as a number for `json`."""
    if not isinstance(value, Decimal) or isinstance(format_quantity(value), str):
        raise TypeError(f"{type(value).__name__} is not stored as a number")
    return float(value)


_EXACT = json.JSONDecoder(parse_float=Decimal)
_SORTED = json.JSONEncoder(separators=(",", ":"), sort_keys=True, ensure_ascii=False, default=_number)
_IN_ORDER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=_number)
