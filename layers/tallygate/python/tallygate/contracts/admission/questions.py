"""Questions: the body of check and consume as a value, and the reader of plainly correct bodies.

The contract `asks.Ask` is the rule. A test compares the reader with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tallygate.contracts.base.names import (
    DIMENSION_LENGTH_MAX,
    DIMENSIONS_MAX,
    broken_identifier,
    broken_name,
)
from tallygate.domain.base.quantities import Read, read_quantity
from tallygate.domain.base.values import value

_SWITCHES = {"detail": False, "allow_partial": False, "explain": False}
_FIELDS = frozenset(("customer", "feature", "amount", "dimensions", "request_id", *_SWITCHES))


@value()
class Question:
    """A body of check or consume.

    amount: rounded to 9 decimals; amount_sent: before rounding
    detail: answer with all numbers, and every limit window
    explain: add an explanation
    """

    customer: str
    feature: str
    amount: Decimal
    amount_sent: Decimal
    dimensions: Mapping[str, str]
    request_id: str | None
    detail: bool
    allow_partial: bool
    explain: bool


def plain_question(body: object) -> Question | None:
    """Return the question of a body that keeps every rule of `asks.Ask`; None: ask the contract."""
    if not isinstance(body, dict) or not _FIELDS.issuperset(body):
        return None
    customer, feature, request_id = body.get("customer"), body.get("feature"), body.get("request_id")
    amount, dimensions = read_quantity(body.get("amount", 1)), body.get("dimensions", {})
    switches = {name: body.get(name, default) for name, default in _SWITCHES.items()}
    if not (
        isinstance(customer, str)
        and isinstance(feature, str)
        and not broken_name(customer)
        and not broken_name(feature)
        and (request_id is None or (isinstance(request_id, str) and not broken_identifier(request_id)))
        and isinstance(amount, Read)
        and not amount.negative
        and not amount.rounded_to_zero
        and isinstance(dimensions, dict)
        and len(dimensions) <= DIMENSIONS_MAX
        and not any(broken_name(name, DIMENSION_LENGTH_MAX) for name in dimensions)
        and all(isinstance(value, str) and not broken_identifier(value) for value in dimensions.values())
        and all(isinstance(value, bool) for value in switches.values())
    ):
        return None
    return Question(
        customer=customer,
        feature=feature,
        amount=amount.quantity,
        amount_sent=amount.exact,
        dimensions=dimensions,
        request_id=request_id,
        **switches,
    )
