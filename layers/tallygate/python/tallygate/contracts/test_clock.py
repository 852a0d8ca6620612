"""The test clock on the wire."""

from __future__ import annotations

from tallygate.contracts.fields import Time
from tallygate.contracts.reading import Contract


class TestClockBody(Contract):
    """The instant at which the stack's time is to stand; null lets real time go on."""

    __test__ = False
    now: Time | None
