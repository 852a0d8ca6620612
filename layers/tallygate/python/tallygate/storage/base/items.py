"""Attributes of items, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tallygate.errors import InvalidRequest, InvariantBroken

DOCUMENT_BYTES_MAX = 380_000
"""An item holds 400 KB, its other attributes included."""
REVISION = "n"


def integer(item: Mapping[str, object], name: str, default: int | None = None) -> int:
    """A whole-number attribute. Raises InvariantBroken where it is missing without a default, or anything else."""
    value = item.get(name, default)
    if not isinstance(value, int | Decimal) or value != int(value):
        raise InvariantBroken(f"attribute {name} must be a whole number")
    return int(value)


def text(item: Mapping[str, object], name: str) -> str:
    """A string attribute that must be there."""
    value = item.get(name)
    if not isinstance(value, str):
        raise InvariantBroken(f"attribute {name} must be a string")
    return value


def bounded(document: str, what: str) -> str:
    """A document that an item can hold. Raises InvalidRequest `too_large` otherwise."""
    if len(document.encode()) > DOCUMENT_BYTES_MAX:
        raise InvalidRequest(f"{what} is too large to be stored as one", code="too_large")
    return document
