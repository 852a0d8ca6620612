"""What a failure of boto3 means, and what is sent again: only what cannot count twice."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)

from tallygate.errors import Contended, InvariantBroken, OutcomeUnknown, StoreUnavailable, TallygateError
from tallygate.storage.base.boto import BotoClient
from tallygate.storage.base.dynamo import TRIES_MAX, DynamoEngine
from tallygate.storage.base.engine import Cancelled, Key, Put

PUT = Put(key=Key("P", "a"), item={})


class Failing:
    """A client whose every call fails in the same way."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.calls = 0

    def fail(self, **_: Any) -> Any:
        self.calls += 1
        raise self.error

    put_item = transact_write_items = fail


def refused(code: str, status: int = 400) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "PutItem")


def cancelled(*codes: str) -> ClientError:
    response: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": ""},
        "CancellationReasons": [{"Code": code} for code in codes],
    }
    return ClientError(response, "TransactWriteItems")


@pytest.mark.parametrize(
    ("error", "outcome", "calls", "calls_if_repeatable"),
    [
        (EndpointConnectionError(endpoint_url="x"), StoreUnavailable, TRIES_MAX, TRIES_MAX),
        (ConnectTimeoutError(endpoint_url="x"), StoreUnavailable, TRIES_MAX, TRIES_MAX),
        (refused("ThrottlingException"), StoreUnavailable, TRIES_MAX, TRIES_MAX),
        (refused("TransactionConflictException"), Contended, TRIES_MAX, TRIES_MAX),
        (ReadTimeoutError(endpoint_url="x"), OutcomeUnknown, 1, 2),
        (ConnectionClosedError(endpoint_url="x"), OutcomeUnknown, 1, 2),
        # TLS may fail before the request or in the midst of it.
        (SSLError(endpoint_url="x", error=OSError()), OutcomeUnknown, 1, 2),
        (refused("InternalServerError", 500), OutcomeUnknown, 1, 2),
        (refused("ValidationException"), InvariantBroken, 1, 1),
    ],
)
def test_only_what_cannot_count_twice_is_sent_again(
    error: ClientError | BotoCoreError, outcome: type[TallygateError], calls: int, calls_if_repeatable: int
) -> None:
    for repeatable, expected in ((False, calls), (True, calls_if_repeatable)):
        client: Any = Failing(error)
        with pytest.raises(TallygateError) as raised:
            DynamoEngine(BotoClient(client), "table").write(PUT, repeatable=repeatable)
        assert (type(raised.value), client.calls) == (outcome, expected)


def test_a_refused_condition_is_the_outcome_only_where_every_item_was_judged() -> None:
    """Else a retry could be denied by a full cell while its receipt, which was held, says that it was granted."""
    client: Any = Failing(cancelled("ConditionalCheckFailed", "None"))
    assert DynamoEngine(BotoClient(client), "table").transact((PUT, PUT)) == Cancelled((True, False), (None, None))
    client = Failing(cancelled("ConditionalCheckFailed", "TransactionConflict"))
    with pytest.raises(Contended):
        DynamoEngine(BotoClient(client), "table").transact((PUT, PUT))
    assert client.calls == TRIES_MAX


class Hesitant:
    """A client that answers only the first few keys of every batch, and leaves the others unprocessed."""

    def __init__(self, at_once: int) -> None:
        self.at_once, self.calls = at_once, 0

    def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803  # the client's own name
        self.calls += 1
        ((table, asked),) = RequestItems.items()
        assert asked["ConsistentRead"] and len(asked["Keys"]) <= 100
        done, left = asked["Keys"][: self.at_once], asked["Keys"][self.at_once :]
        return {"Responses": {table: done}, "UnprocessedKeys": {table: {"Keys": left}} if left else {}}


def test_unprocessed_keys_of_a_read_are_asked_for_again() -> None:
    wanted = [Key("P", str(n)) for n in range(150)]
    client: Any = Hesitant(60)
    found = DynamoEngine(BotoClient(client), "table").get_many(wanted)
    assert (set(found), client.calls) == (set(wanted), 3)


def test_keys_that_stay_unprocessed_are_no_missing_items() -> None:
    client: Any = Hesitant(0)
    with pytest.raises(StoreUnavailable):
        DynamoEngine(BotoClient(client), "table").get_many([Key("P", "a")])
    assert client.calls == TRIES_MAX
