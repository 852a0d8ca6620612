"""Names and identifiers: the rules that a text must keep.

Callers choose identifiers. There is one rule for names that occur in a path, and one for all others:

    name         customer, feature, meter, plan, limit, pool, alert, dimension
                 1 to 200 characters, NFC, no control or format characters, no `/`, no space at either end,
                 not `.` or `..`
    identifier   event id, source and type, subject (and subject keys), request_id, series, dimension values
                 1 to 255 characters, NFC, no control characters; `/` is allowed, and percent-encoded in a path

NFC is required so that equal-looking texts are equal, independent of how they were typed.
"""

from __future__ import annotations

import unicodedata

NAME_LENGTH_MAX = 200
IDENTIFIER_LENGTH_MAX = 255
DIMENSION_LENGTH_MAX = 64
DIMENSIONS_MAX = 10
Rule = tuple[str, str]
"""A broken rule: its code and its detail text."""


def broken_name(text: str, length_max: int = NAME_LENGTH_MAX) -> Rule | None:
    """Return the rule that the text breaks as a name in a path; None: none."""
    if found := _broken(text, length_max, ("Cc", "Cf"), "control or format characters"):
        return found
    if "/" in text:
        return "invalid", "must not contain a slash"
    if text != text.strip():
        return "invalid", "must not begin or end with a space"
    if text in (".", ".."):
        return "invalid", "must not be . or .., which URL paths resolve"
    return None


def broken_identifier(text: str) -> Rule | None:
    """Return the rule that the text breaks as an identifier outside paths; None: none."""
    return _broken(text, IDENTIFIER_LENGTH_MAX, ("Cc",), "control characters")


def _broken(text: str, length_max: int, categories: tuple[str, ...], called: str) -> Rule | None:
    if not 1 <= len(text) <= length_max:
        return "length", f"must have 1 to {length_max} characters"
    if text.isascii():
        return None if text.isprintable() else ("invalid", f"must have no {called}")
    found = {unicodedata.category(letter) for letter in text}
    if "Cs" in found:
        return "invalid", "must be valid Unicode, without lone surrogates"
    if not found.isdisjoint(categories):
        return "invalid", f"must have no {called}"
    if not unicodedata.is_normalized("NFC", text):
        return "invalid", "must be in Unicode's normal form NFC"
    return None
