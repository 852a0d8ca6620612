"""Names that the caller may have meant."""

from __future__ import annotations

from collections.abc import Iterable

_LENGTH_MAX = 64
"""A longer text is no misspelt name. Comparing it would take long."""


def closest(given: object, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like the given one; None: none does."""
    if not isinstance(given, str) or not given or len(given) > _LENGTH_MAX:
        return None
    # Only refusals need it, and its import takes time.
    from difflib import get_close_matches  # noqa: PLC0415

    by_lower = {name.lower(): name for name in known if len(name) <= _LENGTH_MAX}
    found = get_close_matches(given.strip().lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def did_you_mean(given: object, known: Iterable[str]) -> str:
    """Return the end of a sentence that asks for the closest known name; empty: none is close."""
    found = closest(given, known)
    return "" if found is None else f"; did you mean {found}?"
