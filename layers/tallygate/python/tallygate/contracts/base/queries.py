"""Values of query parameters and If-Match for the routes that read them: time ranges, pages, expected versions."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from tallygate.contracts.base.parameters import PAGE_DEFAULT, PAGE_MAX
from tallygate.contracts.base.requests import parameter_error
from tallygate.domain.base.instants import DAY, Instant, parse_instant
from tallygate.domain.catalog.catalog import ExpectedVersion
from tallygate.domain.periods.boundaries import midnight
from tallygate.errors import FieldError, InvalidRequest, invalid

EARLIEST = parse_instant("1971-01-01T00:00:00Z")
LATEST = parse_instant("9999-01-01T00:00:00Z")
CURSOR_BYTES_MAX = 1_024
"""The longest possible sort key."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BEFORE_ALL = date(1970, 1, 1)
"""Older dates are replaced by this one, which is before EARLIEST in every zone. In some zones, the start of the oldest
dates is no valid date."""
_TAG = re.compile(r'\s*(W/)?"([^"]*)"\s*')


@dataclass(slots=True)
class Parameters:
    """The parameters of a query while its route reads them. Collects broken rules until `require_sound`."""

    given: Mapping[str, str]
    errors: list[FieldError] = field(default_factory=list)

    def refuse(self, name: str, code: str, detail: str) -> None:
        self.errors.append(parameter_error(name, code, detail))

    def stretch(
        self,
        end_default: Instant,
        start_default: Callable[[Instant], Instant],
        *,
        zone: str = "UTC",
        longest: Instant | None = None,
    ) -> tuple[Instant, Instant]:
        """Read the range [from, to).

        start_default: returns the default of `from`, given the value of `to`
        zone: the zone in which a plain date means midnight
        longest: maximum length of the range, in ms; None: no bound
        """
        before = len(self.errors)
        end = self._instant("to", end_default, zone)
        start = self._instant("from", start_default(end), zone)
        if len(self.errors) == before and start >= end:
            self.refuse("to", "out_of_range", "must be later than from")
        elif longest is not None and end - start > longest:
            self.refuse("from", "out_of_range", f"must be at most {longest // DAY} days before to")
        return start, end

    def require_sound(self) -> None:
        """Raise InvalidRequest with all broken rules, if there are any."""
        if self.errors:
            first = self.errors[0]
            raise InvalidRequest(f"{first.pointer}: {first.detail}", errors=tuple(self.errors))

    def _instant(self, name: str, default: Instant, zone: str) -> Instant:
        given = self.given.get(name)
        if given is None:
            return default
        try:
            instant = _instant_of(given, zone)
        except ValueError:
            detail = "must be an RFC 3339 time with an offset, like 2026-01-31T12:00:00Z, or a date, like 2026-01-31"
            self.refuse(name, "invalid", detail)
            return default
        if EARLIEST <= instant < LATEST:
            return instant
        self.refuse(name, "out_of_range", "must be between the years 1971 and 9998")
        return default


def _instant_of(given: str, zone: str) -> Instant:
    """Read the instant of a time or a date. Raises ValueError."""
    if _DATE.fullmatch(given):
        return midnight(max(date.fromisoformat(given), _BEFORE_ALL), zone)
    # An unescaped plus sign in an offset arrives as a space.
    return parse_instant(re.sub(r" (?=\d\d:\d\d$)", "+", given))


def page_asked(limit: str | None, cursor: str | None, *, named: str = "limit") -> tuple[int, str | None]:
    """Read the page size (1 to PAGE_MAX) and the key after which the page begins. Raises InvalidRequest.

    named: the name of the page size's parameter, for errors
    """
    count = PAGE_DEFAULT
    if limit is not None:
        if not (limit.isascii() and limit.isdigit() and len(limit) <= 9 and 1 <= int(limit) <= PAGE_MAX):
            raise invalid(f"?{named}", "out_of_range", f"must be a whole number from 1 to {PAGE_MAX}, like 50")
        count = int(limit)
    if cursor is None:
        return count, None
    try:
        after = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        after = ""
    if not 1 <= len(after.encode()) <= CURSOR_BYTES_MAX:
        raise invalid("?cursor", "invalid", "must be the next_cursor of an earlier answer")
    return count, after


def expected(headers: Mapping[str, str]) -> ExpectedVersion | None:
    """Read If-Match (RFC 9110); None without the header. Weak or unknown tags match nothing, as the RFC requires."""
    given = headers.get("if-match")
    if given is None:
        return None
    if given.strip() == "*":
        return ExpectedVersion(None)
    tags = [_TAG.fullmatch(part) for part in given.split(",")]
    strong = {tag[2] for tag in tags if tag is not None and tag[1] is None}
    return ExpectedVersion(
        frozenset(int(text) for text in strong if text.isascii() and text.isdigit() and len(text) < 16)
    )
