"""The engine over DynamoDB, through any client: `client.HttpClient` or `boto.BotoClient`.

It decides three things:

- How a value is written on the wire: numbers as exact decimals.
- What a client error means: one function maps error codes to outcomes.
- Which requests may be repeated. No client repeats any by itself, because a write whose outcome is unknown (time-out,
  reset, 5xx) would be counted twice. Reads are repeated once, and so are writes whose condition refuses a second
  application. Everything else becomes `OutcomeUnknown`. A throttled request, or one without a connection, was certainly
  not applied, so repeating it is always safe.
"""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Collection, Sequence
from decimal import Decimal

from tallygate.errors import Contended, InvariantBroken, OutcomeUnknown, StoreUnavailable, TallygateError
from tallygate.storage.base import items
from tallygate.storage.base.engine import (
    TRANSACTION_WRITES_MAX,
    Cancelled,
    Committed,
    Delete,
    Key,
    Page,
    Put,
    Refused,
    Require,
    Update,
    Write,
    Written,
)
from tallygate.storage.base.expressions import Item, Placeholders, Value, render, render_changes
from tallygate.storage.base.failures import Answered, Client, Failure, Unreached, Wire

DUE_INDEX = "due"
READ_AT_ONCE_MAX = 100
"""DynamoDB's bound for one BatchGetItem."""
TRIES_MAX = 3
BACKOFF_SECONDS = 0.02

_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "LimitExceededException",
}
_CONFLICT = {"TransactionConflictException", "TransactionInProgressException", "TransactionConflict"}
_UNKNOWN = {"InternalServerError", "ServiceUnavailable", "InternalFailure", "500", "502", "503", "504"}
_CONDITION_FAILED = "ConditionalCheckFailedException"
_CANCELLED = "TransactionCanceledException"


def to_wire(value: Value) -> Wire:
    """Return an attribute value as DynamoDB's JSON. The kinds are tested in the order of their frequency."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, (int, Decimal)):
        return {"N": str(value)}
    if isinstance(value, bytes):
        return {"B": value}
    if isinstance(value, frozenset):
        return {"BS": sorted(value)}
    if value is None:
        return {"NULL": True}
    raise InvariantBroken(f"an attribute value cannot be a {type(value).__name__}")


def from_wire(image: Wire) -> Item:
    """Return an item from DynamoDB's JSON, with numbers as decimals. Raises InvariantBroken for types never written.

    Binary values are base64 text on the wire and in the stream; boto3 has decoded them.
    """
    item: Item = {}
    for name, typed in image.items():
        ((kind, value),) = typed.items()
        if kind == "N":
            item[name] = Decimal(value)
        elif kind in ("S", "BOOL"):
            item[name] = value
        elif kind == "B":
            item[name] = _bytes(value)
        elif kind == "BS":
            item[name] = frozenset(_bytes(element) for element in value)
        elif kind == "NULL":
            item[name] = None
        else:
            raise InvariantBroken(f"attribute {name} has the type {kind}, which Tallygate never writes")
    return item


def _bytes(value: str | bytes) -> bytes:
    return base64.b64decode(value) if isinstance(value, str) else bytes(value)


def _wire_item(item: Item) -> Wire:
    return {name: to_wire(value) for name, value in item.items()}


def _wire_key(key: Key) -> Wire:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _key_of(item: Item) -> Key:
    return Key(items.text(item, "pk"), items.text(item, "sk"))


def _back_off(attempt: int) -> None:
    time.sleep(BACKOFF_SECONDS * 2**attempt * (0.5 + random.random()))  # noqa: S311  # jitter, not a secret


class DynamoEngine:
    """The table, through one client."""

    def __init__(self, client: Client, table: str) -> None:
        self.client = client
        self._table = table

    def get(self, key: Key, *, consistent: bool = True) -> Item | None:
        answer = self._call(
            "GetItem",
            {"TableName": self._table, "Key": _wire_key(key), "ConsistentRead": consistent},
        )
        return from_wire(answer["Item"]) if "Item" in answer else None

    def get_many(self, wanted: Collection[Key]) -> dict[Key, Item]:
        """See `Engine.get_many`. An answer may leave keys out, as unprocessed; they are asked for again.

        Raises StoreUnavailable if some stay unprocessed.
        """
        found: dict[Key, Item] = {}
        waiting, idle = list(dict.fromkeys(wanted)), 0
        while waiting:
            asked, waiting = waiting[:READ_AT_ONCE_MAX], waiting[READ_AT_ONCE_MAX:]
            about = {"Keys": [_wire_key(key) for key in asked], "ConsistentRead": True}
            answer = self._call("BatchGetItem", {"RequestItems": {self._table: about}})
            read = [from_wire(image) for image in answer["Responses"].get(self._table, ())]
            found |= {_key_of(item): item for item in read}
            left = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", ())
            waiting += [_key_of(from_wire(key)) for key in left]
            idle = idle + 1 if left and not read else 0
            if idle == TRIES_MAX:
                raise StoreUnavailable("the database is throttling", code="throttled")
            if idle:
                _back_off(idle - 1)
        return found

    def query(
        self,
        pk: str,
        *,
        prefix: str = "",
        after: str | None = None,
        until: str | None = None,
        newest_first: bool = False,
        limit: int | None = None,
        consistent: bool = False,
    ) -> Page:
        assert not (prefix and until), "a prefix and an upper bound exclude each other"
        request: Wire = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": pk}},
            "ScanIndexForward": not newest_first,
            "ConsistentRead": consistent,
        }
        if limit is not None:
            request["Limit"] = limit
        if after is not None:
            request["ExclusiveStartKey"] = _wire_key(Key(pk, after))
        if prefix:
            request["KeyConditionExpression"] += " AND begins_with(sk, :sk)"
            request["ExpressionAttributeValues"][":sk"] = {"S": prefix}
        elif until is not None:
            if after is not None and after >= until and not newest_first:
                return Page((), None)
            request["KeyConditionExpression"] += " AND sk <= :sk"
            request["ExpressionAttributeValues"][":sk"] = {"S": until}
        answer = self._call("Query", request)
        last = answer.get("LastEvaluatedKey")
        return Page(tuple(from_wire(item) for item in answer["Items"]), last["sk"]["S"] if last else None)

    def due(self, shard: str, until: int, limit: int) -> tuple[Key, ...]:
        answer = self._call(
            "Query",
            {
                "TableName": self._table,
                "IndexName": DUE_INDEX,
                "KeyConditionExpression": "due_shard = :shard AND due_at <= :until",
                "ExpressionAttributeValues": {":shard": {"S": shard}, ":until": {"N": str(until)}},
                "Limit": limit,
            },
        )
        return tuple(Key(item["pk"]["S"], item["sk"]["S"]) for item in answer["Items"])

    def write(self, write: Write, *, repeatable: bool = False) -> Written | Refused:
        operation, request = self._single(write)
        try:
            answer = self._call(operation, request, repeatable=repeatable)
        except _ConditionFailed as failed:
            return Refused(failed.image)
        return Written(from_wire(answer["Attributes"]) if isinstance(write, Update) and write.shows else None)

    def transact(self, writes: Sequence[Write | Require], *, repeatable: bool = False) -> Committed | Cancelled:
        assert 0 < len(writes) <= TRANSACTION_WRITES_MAX
        request = {"TransactItems": [self._transact_item(write) for write in writes]}
        try:
            self._call("TransactWriteItems", request, repeatable=repeatable)
        except _TransactionCancelled as cancelled:
            return cancelled.outcome
        return Committed()

    def _single(self, write: Write) -> tuple[str, Wire]:
        request = self._request(write)
        match write:
            case Put():
                return "PutItem", request
            case Update():
                request["ReturnValues"] = "ALL_NEW" if write.shows else "NONE"
                return "UpdateItem", request
            case Delete():
                return "DeleteItem", request

    def _transact_item(self, write: Write | Require) -> Wire:
        names = {Put: "Put", Update: "Update", Delete: "Delete", Require: "ConditionCheck"}
        return {names[type(write)]: self._request(write)}

    def _request(self, write: Write | Require) -> Wire:
        using = Placeholders()
        request: Wire = {"TableName": self._table}
        if isinstance(write, Put):
            request["Item"] = _wire_item({**write.item, **write.key.attributes})
        else:
            request["Key"] = _wire_key(write.key)
        if isinstance(write, Update):
            request["UpdateExpression"] = render_changes(write.changes, using)
        if write.condition is not None:
            request["ConditionExpression"] = render(write.condition, using)
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if using.names:
            request["ExpressionAttributeNames"] = using.names
        if using.values:
            request["ExpressionAttributeValues"] = _wire_item(using.values)
        return request

    def _call(self, operation: str, request: Wire, *, repeatable: bool = True) -> Wire:
        """Send a request, with bounded retries only where repeating cannot count twice."""
        unknown = 0
        outcome: TallygateError = StoreUnavailable("no request was sent to the database")
        for attempt in range(TRIES_MAX):
            try:
                return self.client.send(operation, request)
            except Failure as failure:
                outcome = outcome_of(failure)
            if isinstance(outcome, OutcomeUnknown):
                unknown += 1
                if not repeatable or unknown > 1:
                    raise outcome
            elif not isinstance(outcome, StoreUnavailable):
                raise outcome
            if attempt + 1 < TRIES_MAX:
                _back_off(attempt)
        raise outcome


class _ConditionFailed(TallygateError):
    """The condition of a single write failed.

    image: the item that it failed on
    """

    def __init__(self, image: Item | None) -> None:
        super().__init__("condition failed")
        self.image = image


class _TransactionCancelled(TallygateError):
    def __init__(self, outcome: Cancelled) -> None:
        super().__init__("transaction cancelled")
        self.outcome = outcome


def outcome_of(failure: Failure) -> TallygateError:
    """Return the meaning of a client's failure. An unforeseen code is a defect and raises an alarm."""
    if isinstance(failure, Unreached):
        return StoreUnavailable("the database could not be reached")
    if not isinstance(failure, Answered):
        return OutcomeUnknown("the database did not answer in time")
    code = failure.code
    if code == _CONDITION_FAILED:
        image = failure.detail.get("Item")
        return _ConditionFailed(from_wire(image) if image else None)
    if code == _CANCELLED:
        return _cancellation(failure.detail.get("CancellationReasons", []))
    if code in _THROTTLED:
        return StoreUnavailable("the database is throttling", code="throttled")
    if code in _CONFLICT:
        return Contended("another transaction holds the item")
    if code in _UNKNOWN or failure.status >= 500:
        return OutcomeUnknown("the database failed during the request")
    return InvariantBroken(f"the database refused the request: {code}: {failure.message}")


def _cancellation(reasons: list[Wire]) -> TallygateError:
    """Return the meaning of a cancelled transaction.

    Refused conditions are an outcome, conflicts and throttling are transient, everything else is a defect. A refused
    condition beside a conflict is no outcome yet: the item in conflict was not judged, and might have shown that the
    whole transaction had happened before.
    """
    codes = [reason.get("Code", "None") for reason in reasons]
    if "TransactionConflict" in codes:
        return Contended("another transaction holds an item")
    if any(code in ("ThrottlingError", "ProvisionedThroughputExceeded") for code in codes):
        return StoreUnavailable("the database is throttling", code="throttled")
    if "ConditionalCheckFailed" in codes:
        images = [from_wire(reason["Item"]) if reason.get("Item") else None for reason in reasons]
        return _TransactionCancelled(
            Cancelled(tuple(code == "ConditionalCheckFailed" for code in codes), tuple(images))
        )
    return InvariantBroken(f"the database cancelled the transaction: {codes}")
