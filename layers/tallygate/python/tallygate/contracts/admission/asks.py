"""The contract of check and consume: the whole rule of their bodies, by which the OpenAPI document shows them.

`contracts.admission.check.read_question` reads a plainly correct body without it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import Field, ModelWrapValidatorHandler, PrivateAttr, model_validator

from tallygate.contracts.admission.questions import Question
from tallygate.contracts.base.fields import (
    Amount,
    CustomerId,
    DimensionKey,
    DimensionValue,
    FeatureKey,
    Id,
    NotAvailable,
    sent_amount,
)
from tallygate.contracts.base.names import DIMENSIONS_MAX
from tallygate.contracts.base.reading import Contract
from tallygate.domain.base.quantities import ONE


class Ask(Contract):
    """The body of check and consume.

    An `amount` of 0 returns the state and changes nothing. A retry of a granted consume with the same `request_id` is
    not counted again. With `allow_partial`, a smaller amount is granted if the whole amount does not fit. `detail`
    lists every window, and `explain` adds an explanation.
    """

    customer: CustomerId
    feature: FeatureKey
    amount: Amount = ONE
    dimensions: Annotated[dict[DimensionKey, DimensionValue], Field(max_length=DIMENSIONS_MAX, default_factory=dict)]
    request_id: Id | None = None
    detail: bool = True
    value: NotAvailable = None
    allow_partial: bool = False
    explain: bool = False
    _amount_sent: Decimal = PrivateAttr(default=ONE)

    @model_validator(mode="wrap")
    @classmethod
    def _keep_what_was_sent(cls, data: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        ask = read(data)
        if isinstance(data, dict) and "amount" in data:
            ask._amount_sent = sent_amount(data["amount"]).exact  # noqa: SLF001  # a private attribute of the class itself
        return ask

    @property
    def question(self) -> Question:
        """What is asked."""
        return Question(
            customer=self.customer,
            feature=self.feature,
            amount=self.amount,
            amount_sent=self._amount_sent,
            dimensions=self.dimensions,
            request_id=self.request_id,
            detail=self.detail,
            allow_partial=self.allow_partial,
            explain=self.explain,
        )
