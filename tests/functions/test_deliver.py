"""The deliver function as Lambda calls it: messages and the schedule in, webhooks and bus events out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import boto3
import pytest
import standardwebhooks
import stripe
from botocore.exceptions import ClientError
from moto import mock_aws

from tallygate.delivery.queue import message_text
from tallygate.delivery.secrets import SsmKeeper
from tallygate.delivery.signatures import secret_of
from tallygate.domain.base.instants import MINUTE
from tallygate.domain.delivery.deliveries import BUS, DeliveryStatus, Endpoint, EndpointStatus, Message, SigningSecret
from tallygate.domain.facts.facts import Fact
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.receipts import writes_of
from tallygate.storage.delivery.deliveries import Deliveries, begun
from tallygate.storage.delivery.endpoints import Endpoints
from tallygate.storage.facts.outbox import put_fact
from tests.delivery.receiver import answering, receiving
from tests.functions.conftest import LoadApp, sample

NOW = time.time_ns() // 1_000_000
FACT = Fact(
    id="fact_0123456789abcdef0123456789abcdef",
    type="usage.period_closed",
    customer="acme",
    feature="ai-tokens",
    time=NOW,
    sequence=1,
    data={"raw": 5},
    traceparent="00-11111111111111111111111111111111-2222222222222222-01",
)
PATH = "/tallygate/test/webhook-secrets"
SECRET, NEWER = secret_of(bytes(range(32))), secret_of(bytes(range(1, 33)))
ENDPOINT = Endpoint(
    id="we_1",
    url="",
    events=("*",),
    scheme="standard",
    secrets=(SigningSecret(slot="a", version=1),),
    status=EndpointStatus.ACTIVE,
    created_at=NOW,
)


@dataclass
class Context:
    """What Lambda tells the handler."""

    aws_request_id: str = "8c7d1f8a-0000-4000-8000-000000000001"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def keeper() -> SsmKeeper:
    """The secrets as manage keeps them."""
    return SsmKeeper(lambda: boto3.client("ssm"), PATH)


@pytest.fixture
def app(load_app: LoadApp, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    with mock_aws():
        # DynamoDB is the real engine; the queue and the bus are moto's.
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "https://sqs.us-east-1.amazonaws.com")
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", "https://ssm.us-east-1.amazonaws.com")
        monkeypatch.setenv("AWS_ENDPOINT_URL_EVENTBRIDGE", "https://events.us-east-1.amazonaws.com")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        url = boto3.client("sqs").create_queue(QueueName="deliveries")["QueueUrl"]
        boto3.client("events").create_event_bus(Name="tallygate")
        assert keeper().keep(ENDPOINT.id, "a", SECRET) == 1
        more = {"QUEUE_URL": url, "BUS_NAME": "tallygate", "ALLOW_PRIVATE_WEBHOOKS": "true", "SECRETS_PATH": PATH}
        yield load_app("deliver", **more)


def call(app: ModuleType, *messages: str | Message) -> dict[str, Any]:
    event = sample("deliver")
    (record,) = event["Records"]
    bodies = [message if isinstance(message, str) else message_text(message) for message in messages]
    event["Records"] = [{**record, "messageId": f"m{n}", "body": body} for n, body in enumerate(bodies)]
    result: dict[str, Any] = app.handler(event, Context())
    return result


def begin(engine: DynamoEngine, endpoint: Endpoint, *, now: int = NOW) -> Message:
    engine.write(put_fact(FACT))
    engine.transact(writes_of(Endpoints(engine).create(endpoint)))
    engine.write(begun(FACT.id, endpoint.id, now=now))
    return Message(fact=FACT.id, endpoint=endpoint.id)


def queued() -> list[str]:
    client = boto3.client("sqs")
    url = client.get_queue_url(QueueName="deliveries")["QueueUrl"]
    found = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [message["Body"] for message in found]


def test_the_sample_message_goes_to_the_bus(app: ModuleType, dynamo_engine: DynamoEngine) -> None:
    dynamo_engine.write(put_fact(FACT))
    dynamo_engine.write(begun(FACT.id, BUS, now=NOW))
    assert app.handler(sample("deliver"), Context()) == {"batchItemFailures": []}
    delivery = Deliveries(dynamo_engine).delivery(FACT.id, BUS)
    assert delivery is not None
    assert delivery.status is DeliveryStatus.DELIVERED


@pytest.mark.parametrize("scheme", ["standard", "stripe"])
def test_a_webhook_arrives_verified_by_the_public_packages(
    app: ModuleType, dynamo_engine: DynamoEngine, scheme: str
) -> None:
    with receiving(answering(200)) as receiver:
        message = begin(dynamo_engine, replace(ENDPOINT, url=receiver.url, scheme=scheme))
        assert call(app, message) == {"batchItemFailures": []}
    (arrived,) = receiver.received
    secret = SECRET
    if scheme == "standard":
        event = standardwebhooks.Webhook(secret).verify(arrived.body, arrived.headers)
    else:
        stripe.Webhook.construct_event(arrived.body, arrived.headers["stripe-signature"], secret)
        event = json.loads(arrived.body)
    assert (event["id"], event["type"], event["data"]) == (FACT.id, FACT.type, {"raw": 5, "sequence": 1})
    assert arrived.headers["traceparent"] == FACT.traceparent


@pytest.mark.parametrize("scheme", ["standard", "stripe"])
def test_during_a_rotation_a_receiver_may_hold_either_secret(
    app: ModuleType, dynamo_engine: DynamoEngine, scheme: str
) -> None:
    version = keeper().keep(ENDPOINT.id, "b", NEWER)
    rotated = ENDPOINT.rotated(version, now=NOW, overlap=MINUTE * 60)
    with receiving(answering(200)) as receiver:
        call(app, begin(dynamo_engine, replace(ENDPOINT, url=receiver.url, scheme=scheme, secrets=rotated)))
    (arrived,) = receiver.received
    for secret in (SECRET, NEWER):
        if scheme == "standard":
            standardwebhooks.Webhook(secret).verify(arrived.body, arrived.headers)
        else:
            stripe.Webhook.construct_event(arrived.body, arrived.headers["stripe-signature"], secret)


def test_without_its_secret_a_delivery_fails_by_the_timetable_and_nothing_unsigned_is_sent(
    app: ModuleType, dynamo_engine: DynamoEngine
) -> None:
    keeper().remove(ENDPOINT.id)
    with receiving(answering(200)) as receiver:
        message = begin(dynamo_engine, replace(ENDPOINT, url=receiver.url))
        assert call(app, message) == {"batchItemFailures": []}
    assert receiver.received == []
    delivery = Deliveries(dynamo_engine).delivery(FACT.id, ENDPOINT.id)
    assert delivery is not None
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.PENDING, 1)
    assert delivery.history[0].detail.startswith("secret: ")


def test_while_the_store_of_secrets_is_away_the_message_comes_again(
    app: ModuleType, dynamo_engine: DynamoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(**_: object) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "GetParameter")

    with receiving(answering(200)) as receiver:
        message = begin(dynamo_engine, replace(ENDPOINT, url=receiver.url))
        with monkeypatch.context() as away:
            away.setattr(app.reader._client, "get_parameter", refuses)
            assert call(app, message) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
        delivery = Deliveries(dynamo_engine).delivery(FACT.id, ENDPOINT.id)
        assert delivery is not None
        assert delivery.attempts == 0
        assert call(app, message) == {"batchItemFailures": []}
    assert len(receiver.received) == 1


def test_the_log_line_and_the_metrics_name_fact_trace_and_outcome(
    app: ModuleType,
    dynamo_engine: DynamoEngine,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with receiving(answering(500)) as receiver:
        call(app, begin(dynamo_engine, replace(ENDPOINT, url=receiver.url)))
    (line,) = [vars(record) for record in caplog.records if record.message == "deliver"]
    assert (line["fact_id"], line["outcome"], line["status"], line["attempt"]) == (FACT.id, "retry", 500, 1)
    assert line["trace_id"] == "1" * 32
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    (metric,) = [line for line in lines if "_aws" in line]
    assert (metric["outcome"], metric["DeliveryAttempts"]) == ("retry", [1.0])
    assert "DeliveryLatency" in metric
    assert SECRET not in f"{line}{lines}"


def test_a_receiver_that_is_gone_is_switched_off_and_that_is_measured(
    app: ModuleType, dynamo_engine: DynamoEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiving(answering(410)) as receiver:
        call(app, begin(dynamo_engine, replace(ENDPOINT, url=receiver.url)))
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines() if "EndpointsDisabled" in text]
    (told,) = [line for line in lines if "_aws" in line]
    assert told["EndpointsDisabled"] == [1.0]
    assert told["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]], "as the alarm asks for it"


def test_a_sweep_that_finds_nothing_says_nothing(
    app: ModuleType, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    app.handler({"source": "tallygate.schedule"}, Context())
    assert capsys.readouterr().out == ""
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


def test_a_500_is_asked_for_again_through_the_queue(app: ModuleType, dynamo_engine: DynamoEngine) -> None:
    client = boto3.client("sqs")
    url = client.get_queue_url(QueueName="deliveries")["QueueUrl"]
    with receiving(answering(500)) as receiver:
        call(app, begin(dynamo_engine, replace(ENDPOINT, url=receiver.url)))
    names = ["ApproximateNumberOfMessagesDelayed"]
    counts = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)  # type: ignore[arg-type]
    assert counts["Attributes"]["ApproximateNumberOfMessagesDelayed"] == "1"


def test_a_message_that_fails_comes_again_and_takes_no_other_with_it(
    app: ModuleType, dynamo_engine: DynamoEngine
) -> None:
    with receiving(answering(200)) as receiver:
        message = begin(dynamo_engine, replace(ENDPOINT, url=receiver.url))
        assert call(app, "nonsense", message) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert len(receiver.received) == 1


def test_the_schedule_hands_what_is_due_to_the_queue(app: ModuleType, dynamo_engine: DynamoEngine) -> None:
    message = begin(dynamo_engine, replace(ENDPOINT, url="http://127.0.0.1:9/"), now=NOW - 2 * MINUTE)
    assert app.handler(sample("deliver.sweep"), Context()) == {"handed_over": 1, "finished": True}
    assert queued() == [message_text(message)]
    assert app.handler(sample("deliver.sweep"), Context()) == {"handed_over": 0, "finished": True}


def test_private_receivers_are_refused_unless_the_stack_allows_them(
    load_app: LoadApp, app: ModuleType, dynamo_engine: DynamoEngine
) -> None:
    strict = load_app("deliver", ALLOW_PRIVATE_WEBHOOKS="false", SECRETS_PATH=PATH)
    with receiving(answering(200)) as receiver:
        call(strict, begin(dynamo_engine, replace(ENDPOINT, url=receiver.url)))
    assert receiver.received == []
    delivery = Deliveries(dynamo_engine).delivery(FACT.id, "we_1")
    assert delivery is not None
    assert delivery.history[0].detail == "url: only https is allowed"
