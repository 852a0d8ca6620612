"""Strict reading of item attributes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tallygate.errors import InvalidRequest, InvariantBroken

DOCUMENT_BYTES_MAX = 380_000
"""An item holds at most 400 KB, including its other attributes."""
REVISION = "n"


def integer(item: Mapping[str, object], name: str, default: int | None = None) -> int:
    """Return a whole-number attribute.

    Raises InvariantBroken for any other value, or if it is missing without a default.
    """
    value = item.get(name, default)
    if not isinstance(value, int | Decimal) or value != int(value):
        raise InvariantBroken(f"attribute {name} must be a whole number")
    return int(value)


def text(item: Mapping[str, object], name: str) -> str:
    """Return a string attribute. Raises InvariantBroken if it is missing or another type."""
    value = item.get(name)
    if not isinstance(value, str):
        raise InvariantBroken(f"attribute {name} must be a string")
    return value


def bounded(document: str, what: str) -> str:
    """Return the document if one item can hold it. Raises InvalidRequest `too_large` otherwise."""
    if len(document.encode()) > DOCUMENT_BYTES_MAX:
        raise InvalidRequest(f"{what} is too large to be stored", code="too_large")
    return document
