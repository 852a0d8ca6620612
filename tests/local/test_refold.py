"""make refold: every customer is compared, and what was lost is told in figures."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from local import refold
from tallygate.domain.base.instants import parse_instant
from tallygate.operations.journal.refold import LostWrites, Refolded
from tallygate.storage.base.dynamo import DynamoEngine
from tests.given import effective, in_force, quota
from tests.truth import TOKENS, declare, exists


def test_every_customer_is_compared(
    dynamo_engine: DynamoEngine, dynamodb: Any, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(dynamo_engine, TOKENS)
    for customer in ("acme", "a#b"):
        in_force(dynamo_engine, effective(quota(100), customer=customer))
        exists(dynamo_engine, customer)
    assert sorted(refold.customers(dynamodb, table)) == ["a#b", "acme"]
    assert refold.run(dynamo_engine, refold.customers(dynamodb, table)) == 0
    assert capsys.readouterr().out == "2 customers compared\n"


def test_what_is_lost_is_told_in_figures() -> None:
    start = parse_instant("2026-11-01T00:00:00Z")
    lost = LostWrites(feature="tokens", revisions=2, amounts={(1, start): Decimal("110.5")})
    found = Refolded(events=3, entries=1, unresolvable=1, lost=(lost,))
    assert list(refold.lines("acme", found)) == [
        "acme: appended 3 events and 1 decisions or other writes",
        "acme: 1 events cannot be counted by the catalog as it is",
        "acme: tokens: 2 writes are lost for good",
        "    limit 1, period from 2026-11-01T00:00:00Z: 110.5 enforced and not billed",
    ]
    assert list(refold.lines("acme", Refolded())) == []
