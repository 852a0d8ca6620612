"""usage: a customer's usage by meter or feature, over time and by dimension. It reads the rollup and decides nothing.

The rollup lags behind decisions by about a second. `as_of` is the time at which it was read.
"""

from __future__ import annotations

from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.units import Unit
from tallygate.domain.corrections.settlements import SETTLED_WITHIN
from tallygate.domain.limits.counters import CellName
from tallygate.domain.metering.dimensions import DeclaredDimensions
from tallygate.domain.usage.queries import (
    ROWS_MAX,
    TooManyRows,
    UsageAnswer,
    UsageQuery,
    days_of,
    marked,
    rows_of,
    total_of,
)
from tallygate.errors import FieldError, InvalidRequest, NotFound, invalid
from tallygate.operations.usage.ports import UsageStore


def usage(store: UsageStore, query: UsageQuery, now: Instant) -> UsageAnswer:
    """Return the sums that the query asks for.

    Raises NotFound for an unknown customer, feature or meter. Raises InvalidRequest for a feature that is not metered,
    a dimension that the meter does not declare, and more rows than one answer holds.
    """
    if not store.knows_customer(query.customer):
        raise NotFound("there is no such customer", code="customer_not_found")
    meter, unit = _counted(store, query)
    _require_declared(store, query, meter)
    try:
        rows = rows_of(query, store.usage(query.customer, meter, *days_of(query)))
    except TooManyRows:
        raise InvalidRequest(
            f"the answer would have more than {ROWS_MAX} rows; ask for a shorter range or fewer groups",
            code="too_many_rows",
        ) from None
    if query.feature is not None and query.window != "none":
        # A reset that was effective in the range may have been made a good while after it.
        resets = store.resets(CellName(query.customer, query.feature), query.start, query.end + SETTLED_WITHIN)
        rows = marked(rows, resets)
    total = total_of(rows)
    return UsageAnswer(meter=meter, unit=unit, start=query.start, end=query.end, rows=rows, total=total, as_of=now)


def _counted(store: UsageStore, query: UsageQuery) -> tuple[str, Unit | None]:
    """Return the meter to read, and the feature's unit. A query by meter has no unit."""
    if query.feature is not None:
        feature = store.feature(query.feature)
        if feature is None:
            raise NotFound("there is no such feature", code="feature_not_found")
        if feature.meter is None:
            raise invalid("?feature", "feature_type_mismatch", "is not a metered feature: it has no usage")
        return feature.meter, feature.unit
    assert query.meter is not None
    return query.meter, None


def _require_declared(store: UsageStore, query: UsageQuery, meter: str) -> None:
    """Check the dimensions of the query. Raises InvalidRequest for a dimension that the meter does not declare.

    A misspelt dimension would otherwise get an answer full of nulls. No check is needed for a feature's usage without
    dimensions: its meter exists.
    """
    if query.feature is not None and not query.group_by and not query.filters:
        return
    names = store.dimensions(meter)
    if names is None:
        raise NotFound("there is no such meter", code="meter_not_found")
    errors = [
        FieldError(pointer=pointer, code=code, detail=f"{name} {detail}")
        for pointer, asked in (
            ("?group_by", query.group_by),
            *((f"?filter[{name}]", (name,)) for name in query.filters),
        )
        for name, code, detail in DeclaredDimensions(names=names).broken_by(dict.fromkeys(asked, ""))
    ]
    if errors:
        raise InvalidRequest(f"{errors[0].pointer}: {errors[0].detail}", code=errors[0].code, errors=tuple(errors))
