"""The small client says what boto3 says: the same bytes, headers and signature, and the same outcome of each answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from tallygate.errors import Contended, InvariantBroken, OutcomeUnknown, StoreUnavailable, TallygateError
from tallygate.storage.base import dynamo
from tallygate.storage.base.boto import BotoClient, client_config
from tallygate.storage.base.client import HttpClient, endpoint_of
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import (
    Cancelled,
    Delete,
    Engine,
    Key,
    Put,
    Refused,
    Require,
    Update,
    Write,
    Written,
)
from tallygate.storage.base.expressions import All, Compare, Contains, Include, Increase, Item, Not, Set
from tallygate.storage.base.signing import Credentials, Signer
from tests.storage.database import Act, Database, Received, answered, refused

NOW = 1_795_168_800.5
CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session/token+=")
PUT = Put(key=Key("P", "a"), item={"n": 1}, condition=Compare("n", "<", 5))
OURS = {"user-agent"}
"""Headers whose values differ."""
BOTO3_S_OWN = {"amz-sdk-invocation-id", "amz-sdk-request"}
"""Headers that tell AWS of boto3's retries."""


def small(url: str, **more: Any) -> HttpClient:
    endpoint = endpoint_of(url)
    assert endpoint is not None
    return HttpClient(endpoint, "eu-west-3", lambda: CREDENTIALS, now=lambda: NOW, **more)


def through_boto3(url: str) -> BotoClient:
    made = boto3.client(
        "dynamodb",
        endpoint_url=url,
        region_name="eu-west-3",
        aws_access_key_id=CREDENTIALS.key_id,
        aws_secret_access_key=CREDENTIALS.secret,
        aws_session_token=CREDENTIALS.token,
        config=client_config(),
    )
    return BotoClient(made)


@pytest.fixture
def at_now() -> Iterator[None]:
    """botocore's clock stands at NOW."""
    with patch.object(auth, "get_current_datetime", lambda: datetime.fromtimestamp(NOW, UTC)):
        yield


NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**18), max_value=10**18)
VALUES = (
    st.text()
    | st.integers(-(10**37), 10**37)
    | NUMBERS
    | st.binary()
    | st.booleans()
    | st.none()
    | st.frozensets(st.binary(), min_size=1, max_size=4)
)
TEXTS = st.text(min_size=1)
KEYS = st.builds(Key, TEXTS, TEXTS)
ITEMS = st.dictionaries(TEXTS, VALUES, max_size=5)
CONDITIONS = st.none() | st.builds(
    lambda name, number, element: All((Compare(name, "<", number), Not(Contains(name, element)))),
    TEXTS,
    NUMBERS,
    st.binary(),
)
WRITES: st.SearchStrategy[Write] = (
    st.builds(Put, key=KEYS, item=ITEMS, condition=CONDITIONS)
    | st.builds(
        lambda key, values, by, elements, condition: Update(
            key=key,
            changes=(
                *(Set(name, value) for name, value in values.items() if value is not None),
                Increase("~n", by),
                Include("~s", elements),
            ),
            condition=condition,
        ),
        KEYS,
        ITEMS,
        NUMBERS,
        st.frozensets(st.binary(), min_size=1, max_size=3),
        CONDITIONS,
    )
    | st.builds(Delete, key=KEYS, condition=CONDITIONS)
)


def test_each_request_is_boto3_s_byte_for_byte(at_now: None) -> None:
    with Database(answered({"Attributes": {}, "Items": []})) as database:
        clients = (small(database.url), through_boto3(database.url))
        engines = tuple(DynamoEngine(client, "a-table") for client in clients)

        def asked(ask: Any) -> tuple[Received, Received]:
            database.requests.clear()
            for engine in engines:
                ask(engine)
            ours, theirs = database.requests
            return ours, theirs

        def same(ask: Any) -> None:
            ours, theirs = asked(ask)
            assert ours.line == theirs.line
            assert ours.body == theirs.body
            assert ours.headers.keys() == theirs.headers.keys() - BOTO3_S_OWN
            differing = {name for name, value in ours.headers.items() if theirs.headers[name] != value}
            assert differing == OURS

        @settings(max_examples=150)
        @given(WRITES)
        def written(write: Write) -> None:
            same(lambda engine: engine.write(write))

        @settings(max_examples=30)
        @given(st.lists(WRITES, min_size=1, max_size=4), KEYS)
        def transacted(writes: list[Write], key: Key) -> None:
            required = Require(key=key, condition=Compare("n", "=", b"x"))
            ours, theirs = asked(lambda engine: engine.transact((*writes, required)))
            sent = json.loads(theirs.body)
            # boto3 draws a new token for each call, so it only serves boto3's own retries, which are off.
            del sent["ClientRequestToken"]
            assert json.loads(ours.body) == sent

        @settings(max_examples=30)
        @given(KEYS, st.booleans(), st.none() | TEXTS, st.integers(1, 100))
        def read(key: Key, consistent: bool, after: str | None, limit: int) -> None:
            same(lambda engine: engine.get(key, consistent=consistent))
            same(lambda engine: engine.query(key.pk, prefix=key.sk, after=after, limit=limit, consistent=consistent))
            same(lambda engine: engine.due(key.pk, limit, limit))

        written()
        transacted()
        read()
        clients[0].close()
        clients[1].client.close()


HEADER = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1)


@settings(max_examples=200)
@given(
    credentials=st.builds(Credentials, HEADER, st.text(st.characters(codec="utf-8"), min_size=1), st.just("") | HEADER),
    now=st.floats(0, 4e9),
    region=st.sampled_from(["us-east-1", "cn-north-1", "us-gov-west-1"]),
    host=st.sampled_from(["dynamodb.us-east-1.amazonaws.com", "127.0.0.1:8000"]),
    body=st.binary(),
)
def test_the_signature_is_botocore_s_for_all_credentials_and_times(
    credentials: Credentials, now: float, region: str, host: str, body: bytes
) -> None:
    signer = Signer(host, region)
    renewed = Credentials(credentials.key_id, credentials.secret + "x", credentials.token)
    # The day's key is kept, and made again for another day or secret.
    for moment, used in ((now, credentials), (now + 1, credentials), (now + 1, renewed), (now + 86_400, renewed)):
        head = signer.head("UpdateItem", body, used, moment)
        lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")[1:]
        headers = {name: value for name, _, value in (line.partition(":") for line in lines)}
        signature = headers.pop("authorization")
        request = AWSRequest("POST", f"https://{host}/", headers=headers, data=body)
        botocore = BotocoreCredentials(used.key_id, used.secret, used.token or None)
        with patch.object(auth, "get_current_datetime", lambda at=moment: datetime.fromtimestamp(int(at), UTC)):
            request.context["payload_signing_enabled"] = True
            del request.headers["accept-encoding"], request.headers["content-length"]
            auth.SigV4Auth(botocore, "dynamodb", region).add_auth(request)
        assert request.headers["Authorization"] == signature
        assert headers["content-length"] == str(len(body))


@pytest.mark.parametrize("part", ["key_id", "token"])
@pytest.mark.parametrize("text", ["a\r\nx-other: 1", "a b", "ä", "\x00"])
def test_credentials_begin_no_header_of_their_own(part: str, text: str) -> None:
    with pytest.raises(InvariantBroken):
        Credentials(**{"key_id": "k", "secret": "s", part: text})


ITEM = {"pk": {"S": "P"}, "n": {"N": "7.5"}, "b": {"B": "AP8="}, "s": {"BS": ["YQ==", "Yg=="]}}
IMAGE: Item = {"pk": "P", "n": Decimal("7.5"), "b": b"\x00\xff", "s": frozenset({b"a", b"b"})}


def transaction(*codes: str) -> Act:
    reasons = [{"Code": code, **({"Item": ITEM} if code == "ConditionalCheckFailed" else {})} for code in codes]
    return refused("TransactionCanceledException", CancellationReasons=reasons)


def outcome_of(engine: Engine, *, transact: bool) -> object:
    """What the engine made of the answer: its value, or the error's type and code."""
    try:
        return engine.transact((PUT, PUT)) if transact else engine.write(PUT)
    except TallygateError as error:
        return type(error), error.code


ANSWERS: dict[str, tuple[Act, object]] = {
    "condition without item": (refused("ConditionalCheckFailedException"), Refused(None)),
    "condition with item": (refused("ConditionalCheckFailedException", Item=ITEM), Refused(IMAGE)),
    "throughput": (refused("ProvisionedThroughputExceededException"), (StoreUnavailable, "throttled")),
    "throttling": (refused("ThrottlingException"), (StoreUnavailable, "throttled")),
    "request limit": (refused("RequestLimitExceeded"), (StoreUnavailable, "throttled")),
    "conflict": (refused("TransactionConflictException"), (Contended, "contended")),
    "in progress": (refused("TransactionInProgressException"), (Contended, "contended")),
    "internal": (refused("InternalServerError", 500), (OutcomeUnknown, "outcome_unknown")),
    "unavailable": (refused("ServiceUnavailable", 503), (OutcomeUnknown, "outcome_unknown")),
    "unknown 5xx": (refused("SomethingNew", 599), (OutcomeUnknown, "outcome_unknown")),
    "5xx of a proxy": (answered(b"<html>bad</html>", 502), (OutcomeUnknown, "outcome_unknown")),
    "5xx without a body": (answered(b"", 503), (OutcomeUnknown, "outcome_unknown")),
    "validation": (refused("ValidationException"), (InvariantBroken, "invariant_broken")),
    "no table": (refused("ResourceNotFoundException"), (InvariantBroken, "invariant_broken")),
    "not allowed": (refused("AccessDeniedException"), (InvariantBroken, "invariant_broken")),
    "expired token": (refused("ExpiredTokenException"), (InvariantBroken, "invariant_broken")),
    "a new code": (refused("SomethingNew"), (InvariantBroken, "invariant_broken")),
    "4xx of a proxy": (answered(b"<html>no</html>", 403), (InvariantBroken, "invariant_broken")),
    "4xx without a name": (answered({}, 400), (InvariantBroken, "invariant_broken")),
    "a name without a namespace": (
        answered({"__type": "ThrottlingException", "Message": "m"}, 400),
        (StoreUnavailable, "throttled"),
    ),
    "a name with an address": (
        answered({"__type": "a#ThrottlingException:http://x#y"}, 400),
        (StoreUnavailable, "throttled"),
    ),
    "granted": (answered({}), Written(None)),
}
TRANSACTIONS: dict[str, tuple[Act, object]] = {
    "conditions": (
        transaction("ConditionalCheckFailed", "None"),
        Cancelled((True, False), (IMAGE, None)),
    ),
    "a conflict beside": (transaction("ConditionalCheckFailed", "TransactionConflict"), (Contended, "contended")),
    "throttled": (transaction("ThrottlingError", "None"), (StoreUnavailable, "throttled")),
    "throughput": (transaction("None", "ProvisionedThroughputExceeded"), (StoreUnavailable, "throttled")),
    "a defect": (transaction("ValidationError", "None"), (InvariantBroken, "invariant_broken")),
    "internal": (refused("InternalServerError", 500), (OutcomeUnknown, "outcome_unknown")),
}


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pauses between tries."""
    monkeypatch.setattr(dynamo, "BACKOFF_SECONDS", 0)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("name", [*ANSWERS, *(f"transaction: {name}" for name in TRANSACTIONS)])
@pytest.mark.parametrize("make", [small, through_boto3])
def test_each_answer_has_one_outcome_for_both_clients(make: Any, name: str) -> None:
    short = name.removeprefix("transaction: ")
    act, expected = TRANSACTIONS[short] if name != short else ANSWERS[name]
    with Database(act) as database:
        client = make(database.url)
        assert outcome_of(DynamoEngine(client, "t"), transact=name != short) == expected
        getattr(client, "client", client).close()


@pytest.mark.parametrize("body", [b"", b"nothing", b"[]", b'"text"', b"\xff", b'{"Attributes": {'])
def test_an_answer_that_is_none_leaves_the_outcome_open(body: bytes) -> None:
    with Database(answered(body)) as database:
        client = small(database.url)
        assert outcome_of(DynamoEngine(client, "t"), transact=False) == (OutcomeUnknown, "outcome_unknown")
        assert len(database.requests) == 1
        client.close()


def test_binary_values_come_back_from_the_wire() -> None:
    with Database(answered({"Item": json.loads(json.dumps(ITEM))})) as database:
        client = small(database.url)
        assert DynamoEngine(client, "t").get(Key("P", "a")) == IMAGE
        client.close()
