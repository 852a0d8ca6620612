"""Expected versions: what a caller that has read something requires of it when it writes."""

from __future__ import annotations

from dataclasses import dataclass

from tallygate.errors import PreconditionFailed


@dataclass(frozen=True, slots=True)
class Expected:
    """One of these versions (If-Match with entity tags), or with None any at all (`If-Match: *`)."""

    versions: frozenset[int] | None


def require(expected: Expected | None, version: int) -> None:
    """Raises PreconditionFailed unless the version is an expected one. Version 0 is what does not exist yet."""
    if expected is None or (expected.versions is None and version > 0):
        return
    if expected.versions is None or version not in expected.versions:
        held = f'its ETag is "{version}"' if version else "it does not exist"
        raise PreconditionFailed(f"If-Match does not hold: {held}")
