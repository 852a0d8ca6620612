"""Identifiers that callers choose: one rule for names that stand in a path, one for all others.

    name         customer, feature, meter, plan, limit, pool, alert, dimension
                 1 to 200 characters, NFC, no control or format characters, no `/`, no space at either end,
                 not `.` or `..`
    identifier   event id, source and type, subject (and subject keys), request_id, series, dimension values
                 1 to 255 characters, NFC, no control characters; `/` is allowed, and percent-encoded in a path

The same text must be reachable however it is typed, and two that look alike must not be two by accident: so NFC. Bodies
apply these rules by the types of their fields, paths and queries before their route is asked.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping

NAME_LENGTH_MAX = 200
IDENTIFIER_LENGTH_MAX = 255
DIMENSION_LENGTH_MAX = 64

Rule = tuple[str, str]
"""A broken rule: its code, and what it says."""


def broken_name(text: str, length_max: int = NAME_LENGTH_MAX) -> Rule | None:
    """Which rule the text breaks as a name in a path; None: none."""
    if broken := _broken(text, length_max, ("Cc", "Cf"), "control or format characters"):
        return broken
    if "/" in text:
        return "invalid", "must have no slash"
    if text != text.strip():
        return "invalid", "must have no space at either end"
    if text in (".", ".."):
        return "invalid", "must not be . or .., which paths resolve"
    return None


def broken_identifier(text: str) -> Rule | None:
    """Which rule the text breaks as an identifier that is no name in a path; None: none."""
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


PATH: Mapping[str, Callable[[str], Rule | None]] = {
    "customer": broken_name,
    "feature": broken_name,
    "name": broken_name,
    "key": broken_identifier,
    "endpoint": broken_identifier,
}
"""The rule of each parameter of a path. A decision id has a form of its own, which its operation reads."""


def broken_path(parameters: Mapping[str, str]) -> dict[str, Rule]:
    """The parameters of a path that break their rule, each with it."""
    rules = ((name, PATH[name](value)) for name, value in parameters.items() if name in PATH)
    return {name: rule for name, rule in rules if rule is not None}
