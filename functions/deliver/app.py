"""deliver: sends facts to webhooks and the event bus. A message asks for one attempt, the schedule for a sweep."""

from __future__ import annotations

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from reports import tell_attempt, tell_failure, tell_sweep

from tallygate.clock import clock_of, real_time
from tallygate.delivery import bus, queue, secrets
from tallygate.delivery.courier import Courier
from tallygate.delivery.webhook import Sender
from tallygate.operations.delivery.deliver import SWEPT_MAX, Sending, deliver, sweep
from tallygate.storage.base.boto import boto_client
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.delivery.deliveries import Deliveries

MILLISECONDS_KEPT = 5_000

logger = Logger()
metrics = Metrics()
engine = DynamoEngine(boto_client(), os.environ["TABLE_NAME"])
clock = clock_of(os.environ, engine)
store = Deliveries(engine)
messages = queue.SqsQueue(queue.sqs_client, os.environ["QUEUE_URL"])
sender = Sender(allow_private=os.environ["ALLOW_PRIVATE_WEBHOOKS"] == "true")
event_bus = bus.Bus(boto3.client("events", config=bus.client_config()), os.environ["BUS_NAME"])
courier = Courier(sender=sender, bus=event_bus, wall=real_time)
reader = secrets.SsmReader(boto3.client("ssm", config=secrets.client_config()), os.environ["SECRETS_PATH"])
sending = Sending(secrets=reader.texts, post=courier.post)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    if "Records" in event:
        failed = [record["messageId"] for record in event["Records"] if not done(record, context)]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
    most, kept = int(os.environ.get("SWEEP_MAX", SWEPT_MAX)), MILLISECONDS_KEPT
    left = context.get_remaining_time_in_millis
    swept = sweep(store, messages, now=clock.now(), time_left=lambda: left() > kept, most=most)
    tell_sweep(logger, metrics, swept)
    if swept.defect is not None:
        raise swept.defect  # raises an alarm, after everything else is done
    return {"handed_over": len(swept.handed_over), "finished": swept.finished}


def done(record: dict[str, Any], context: Any) -> bool:
    """Return whether the message is finished. Others are redelivered, and at last go to the dead-letter queue."""
    claimant = f"{context.aws_request_id}.{record['messageId']}"
    try:
        message = queue.message_of(record["body"])
        report = deliver(store, messages, sending, message, now=clock.now(), wall=real_time(), claimant=claimant)
    except Exception:  # one message that fails must not take others of its batch with it
        logger.exception("deliver", body=record["body"])
        tell_failure(metrics)
        return False
    tell_attempt(logger, metrics, report)
    return True
