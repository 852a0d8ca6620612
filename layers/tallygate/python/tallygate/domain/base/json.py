"""JSON with exact numbers: read without floats, written without exponents.

    1 -> int      0.1, 1e3 -> Decimal      a whole number of more than 40 digits -> Decimal
    NaN, Infinity, or an exponent outside Decimal's range -> a Decimal that is not a valid quantity

Such invalid numbers are not refused here but by the reader of the field. One bad number then invalidates its field or
its event, not the whole body. Reading takes linear time in the length of the text. `write_json` serves answers and
outgoing events: it writes quantities in their wire form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring  # the C function that json itself uses
from typing import Any

from tallygate.domain.base.quantities import format_quantity, plain

Scalar = str | int | Decimal | bool | None
"""A JSON value without members."""
_INT_LENGTH_MAX = 40
"""A longer whole number becomes a Decimal, which parses in linear time. Python's int refuses more than 4,300 digits."""
_TINY = Decimal("1E-999999")


def read_json(text: str) -> Any:
    """Parse a JSON text. Raises ValueError, and RecursionError if the text is nested too deeply."""
    return _DECODER.decode(text)


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        pass
    mantissa, _, exponent = text.lower().partition("e")
    if not Decimal(mantissa):
        return Decimal(0)
    size = _TINY if exponent.startswith("-") else Decimal("Infinity")
    return size.copy_sign(Decimal(mantissa))


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) <= _INT_LENGTH_MAX else Decimal(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object. Repeated names are refused: parsers disagree on which value counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same name twice")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number, parse_int=_whole, parse_constant=Decimal)


def write_json(value: Any) -> str:
    """Write compact JSON of strings, numbers, lists and objects. Decimals take the wire form of quantities."""
    if isinstance(value, Mapping):
        members = [
            f"{encode_basestring(name)}:{leaf(member) if (leaf := _LEAVES.get(type(member))) else write_json(member)}"
            for name, member in value.items()
        ]
        return f"{{{','.join(members)}}}"
    if isinstance(value, list | tuple):
        elements = [leaf(element) if (leaf := _LEAVES.get(type(element))) else write_json(element) for element in value]
        return f"[{','.join(elements)}]"
    leaf = next((write for kind, write in _LEAVES.items() if isinstance(value, kind)), None)
    if leaf is None:
        raise TypeError(f"{type(value).__name__} is not JSON")
    return leaf(value)


def _quantity(value: Decimal) -> str:
    written = format_quantity(value)
    return f'"{written}"' if isinstance(written, str) else plain(value)


_LEAVES: Mapping[type, Callable[[Any], str]] = {
    str: encode_basestring,
    bool: {True: "true", False: "false"}.__getitem__,
    int: int.__repr__,
    type(None): {None: "null"}.__getitem__,
    Decimal: _quantity,
}
"""The writer of each scalar type. Most values of an answer are scalars; these writers avoid a recursive call each."""
