"""The deliveries queue and the event bus, against moto's SQS and EventBridge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from moto import mock_aws

from tallygate.delivery import bus, queue
from tallygate.domain.base.instants import parse_instant
from tallygate.domain.delivery.deliveries import Message, Verdict
from tallygate.domain.facts.facts import Fact
from tallygate.errors import StoreUnavailable

MESSAGE = Message(fact="fact_1", endpoint="we_1", attempt=2)
FACT = Fact(
    id="fact_1",
    type="usage.period_closed",
    customer="acme",
    feature="ai-tokens",
    time=parse_instant("2026-12-01T00:00:00Z"),
    sequence=1,
    data={"raw": 5},
)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


@pytest.mark.usefixtures("aws")
def test_a_message_arrives_as_it_was_sent_after_its_delay() -> None:
    client = queue.sqs_client()
    url = client.create_queue(QueueName="deliveries")["QueueUrl"]
    sender = queue.SqsQueue(lambda: client, url)
    sender.send(MESSAGE)
    sender.send(replace(MESSAGE, attempt=3), delay_seconds=300)
    (arrived,) = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert queue.message_of(arrived["Body"]) == MESSAGE
    counts = client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesDelayed"])
    assert counts["Attributes"]["ApproximateNumberOfMessagesDelayed"] == "1"


@pytest.mark.usefixtures("aws")
def test_a_message_belongs_to_the_group_of_its_endpoint_so_that_none_takes_every_place() -> None:
    client = queue.sqs_client()
    url = client.create_queue(QueueName="deliveries")["QueueUrl"]
    sender = queue.SqsQueue(lambda: client, url)
    sender.send(MESSAGE)
    sender.send(replace(MESSAGE, endpoint="BUS"))
    arrived = client.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["MessageGroupId"]
    )["Messages"]
    assert sorted(message["Attributes"]["MessageGroupId"] for message in arrived) == ["BUS", "we_1"]


@pytest.mark.usefixtures("aws")
def test_a_queue_that_takes_no_message_is_unavailable() -> None:
    client = queue.sqs_client()
    sender = queue.SqsQueue(lambda: client, "https://sqs.us-east-1.amazonaws.com/123456789012/none")
    with pytest.raises(StoreUnavailable):
        sender.send(MESSAGE)


def test_a_message_without_an_attempt_asks_for_the_first() -> None:
    assert queue.message_of('{"fact":"f","endpoint":"e"}') == Message(fact="f", endpoint="e", attempt=1)
    assert queue.message_of(queue.message_text(MESSAGE)) == MESSAGE


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"fact":1,"endpoint":"e"}', '{"fact":"f","endpoint":"e","attempt":"x"}']
)
def test_anything_else_is_no_message(text: str) -> None:
    with pytest.raises(ValueError):
        queue.message_of(text)


@pytest.mark.usefixtures("aws")
def test_a_fact_is_put_on_the_bus_as_one_event() -> None:
    client = boto3.client("events", config=bus.client_config())
    client.create_event_bus(Name="tallygate")
    queues = boto3.client("sqs")
    url = queues.create_queue(QueueName="heard")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["tallygate"], "detail-type": ["usage.period_closed"]}
    client.put_rule(Name="all", EventBusName="tallygate", EventPattern=json.dumps(pattern))
    client.put_targets(Rule="all", EventBusName="tallygate", Targets=[{"Id": "queue", "Arn": arn}])
    assert bus.Bus(client, "tallygate").put(FACT).verdict is Verdict.DELIVERED
    (heard,) = queues.receive_message(QueueUrl=url)["Messages"]
    event = json.loads(heard["Body"])
    assert (event["source"], event["detail-type"]) == ("tallygate", "usage.period_closed")
    assert event["detail"]["id"] == "fact_1"
    assert event["detail"]["data"] == {"raw": 5, "sequence": 1}


def stubbed(*answers: dict[str, Any]) -> bus.Bus:
    client = boto3.client(
        "events",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=bus.client_config(),
    )
    stubber = Stubber(client)
    for answer in answers:
        stubber.add_response("put_events", answer)
    stubber.activate()
    return bus.Bus(client, "tallygate")


def test_an_entry_that_the_bus_refuses_is_a_failed_attempt() -> None:
    refused = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure", "ErrorMessage": "again"}]}
    outcome = stubbed(refused).put(FACT)
    assert (outcome.verdict, outcome.detail) == (Verdict.FAILED, "bus: InternalFailure: again")


def test_a_bus_that_is_not_there_is_a_failed_attempt() -> None:
    class Unreachable:
        def put_events(self, **_: object) -> None:
            raise EndpointConnectionError(endpoint_url="https://events.example")

    outcome = bus.Bus(Unreachable(), "tallygate").put(FACT)  # type: ignore[arg-type]
    assert outcome.verdict is Verdict.FAILED
    assert outcome.detail.startswith("bus: Could not connect")
