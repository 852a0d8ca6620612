"""Usage queries: quarter hours of the rollup, summed into windows and groups. Pure.

quarter hours   |q|q|q|q|q|q|q|q|q|q|q|q|          `from` and `to` are extended to whole quarter hours; the answer
days in a zone  |  day 1  |  day 2  |  …           states the time it covers; hours, weeks and months likewise
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tallygate.domain.base.instants import DAY, Instant, parse_instant
from tallygate.domain.catalog.units import Unit
from tallygate.domain.journal.fold import QUARTER, day_and_quarter
from tallygate.domain.metering.contributions import NOTHING, Contribution, combined, stated, together
from tallygate.domain.periods.recurrence import Window, calendar, window_at

WINDOWS = ("none", "hour", "day", "week", "month")
RANGE_MAX = 400 * DAY
ROWS_MAX = 10_000

_DAY_TEXT_END = "T00:00:00Z"

MANUAL, PLAN_CHANGE = "MANUAL", "PLAN_CHANGE"
"""The causes of a reset of enforced usage: a manual reset, or a plan change with `usage: reset`."""

Group = tuple[str | None, ...]
"""The values of the `group_by` dimensions; None: usage without the dimension."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuery:
    """A query for usage.

    start, end: [start, end), both on quarter hours
    feature, meter: exactly one is given
    window: one of WINDOWS
    zone: IANA name, the zone of the windows
    group_by: dimensions
    filters: required dimension values
    """

    customer: str
    start: Instant
    end: Instant
    feature: str | None = None
    meter: str | None = None
    window: str = "none"
    zone: str = "UTC"
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert (self.feature is None) != (self.meter is None)
        assert self.window in WINDOWS
        assert self.start % QUARTER == 0 == self.end % QUARTER
        assert self.start < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageItem:
    """Usage of one meter on one UTC day for one combination of dimension values, by index of the quarter hour."""

    day: str
    dimensions: Mapping[str, str]
    quarters: Mapping[int, Contribution]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """Usage of one group in one window, clipped to the query's time.

    counted: the contributions of its quarter hours together
    marker: cause of the newest reset in the window, MANUAL or PLAN_CHANGE; None: no reset
    """

    start: Instant
    end: Instant
    group: Mapping[str, str | None]
    counted: Contribution
    marker: str | None = None

    @property
    def value(self) -> Decimal:
        return stated(self.counted)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageAnswer:
    """The answer to a usage query.

    rows: in order of time and group. Windows without usage have no row, but a single sum always has one.
    unit: the unit of the queried feature
    """

    meter: str
    start: Instant
    end: Instant
    rows: tuple[UsageRow, ...]
    total: Decimal
    as_of: Instant
    unit: Unit | None = None


class TooManyRows(ValueError):
    """The answer would have more than ROWS_MAX rows."""


def aligned(start: Instant, end: Instant) -> tuple[Instant, Instant]:
    """Return the smallest range of whole quarter hours that contains [start, end)."""
    return start - start % QUARTER, end + -end % QUARTER


def days_of(query: UsageQuery) -> tuple[str, str]:
    """Return the first and the last UTC day of the query's time."""
    return day_and_quarter(query.start)[0], day_and_quarter(query.end - 1)[0]


def rows_of(query: UsageQuery, found: Iterable[UsageItem]) -> tuple[UsageRow, ...]:
    """Sum usage items into rows. Raises TooManyRows."""
    sums: dict[tuple[Instant, Instant, Group], Contribution] = {}
    if query.window == "none" and not query.group_by:
        sums[(query.start, query.end, ())] = NOTHING
    for item in found:
        if any(item.dimensions.get(name) != value for name, value in query.filters.items()):
            continue
        group = tuple(item.dimensions.get(name) for name in query.group_by)
        midnight = parse_instant(item.day + _DAY_TEXT_END)
        for quarter, each in item.quarters.items():
            at = midnight + quarter * QUARTER
            if query.start <= at < query.end:
                window = _window(query, at)
                name = (window.start, window.end, group)
                sums[name] = combined(sums.get(name, NOTHING), each)
                if len(sums) > ROWS_MAX:
                    raise TooManyRows
    ordered = sorted(sums.items(), key=lambda entry: (entry[0][0], [(v is not None, v or "") for v in entry[0][2]]))
    return tuple(
        UsageRow(start=start, end=end, group=dict(zip(query.group_by, group, strict=True)), counted=counted)
        for (start, end, group), counted in ordered
    )


def marked(rows: Iterable[UsageRow], resets: Mapping[Instant, str]) -> tuple[UsageRow, ...]:
    """Return the rows with markers of resets. `resets`: cause by effective instant."""
    found = sorted(resets.items(), reverse=True)
    return tuple(
        replace(row, marker=next((marker for at, marker in found if row.start <= at < row.end), None)) for row in rows
    )


def total_of(rows: Iterable[UsageRow]) -> Decimal:
    return stated(together(row.counted for row in rows))


def _window(query: UsageQuery, at: Instant) -> Window:
    if query.window == "none":
        return Window(query.start, query.end)
    window = window_at(calendar(query.window, query.zone), at)
    return Window(max(window.start, query.start), min(window.end, query.end))
