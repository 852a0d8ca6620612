"""The delivery queue: each message asks for one attempt at one delivery, at once or within 15 minutes.

    {"fact": "<id>", "endpoint": "<id> | BUS", "attempt": n}        without `attempt`: the first

The message group is the endpoint. In a standard queue, a group gives fair turns and no order. While one group takes
more than its share of the consumers' time, messages of other groups go first. So one hanging receiver delays neither
the bus nor other receivers, however many deliveries it has.

boto3 is imported by the first message, because most containers that could send messages send none.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tallygate.domain.delivery.deliveries import Message
from tallygate.errors import StoreUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

TIMEOUT_SECONDS = 5


def sqs_client() -> SQSClient:
    """Make a client with short timeouts and one retry. A message sent twice is harmless."""
    import boto3  # noqa: PLC0415  # see above
    from botocore.config import Config  # noqa: PLC0415

    config = Config(retries={"total_max_attempts": 2}, connect_timeout=TIMEOUT_SECONDS, read_timeout=TIMEOUT_SECONDS)
    return boto3.client("sqs", config=config)


class SqsQueue:
    """One queue.

    client: makes the client, on the first message
    """

    def __init__(self, client: Callable[[], SQSClient], url: str) -> None:
        self._make = client
        self._url = url
        self._made: SQSClient | None = None
        # boto3 makes clients in one thread at a time only.
        self._lock = threading.Lock()

    def send(self, message: Message, *, delay_seconds: int = 0) -> None:
        """Send a message that arrives after the delay. Raises StoreUnavailable; the sweep replaces a lost message."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        with self._lock:
            client = self._made = self._made or self._make()
        try:
            client.send_message(
                QueueUrl=self._url,
                MessageBody=message_text(message),
                DelaySeconds=delay_seconds,
                MessageGroupId=message.endpoint,
            )
        except (ClientError, BotoCoreError) as error:
            raise StoreUnavailable(f"the deliveries queue did not take a message: {error}") from error


def message_text(message: Message) -> str:
    """The body of a message."""
    content = {"fact": message.fact, "endpoint": message.endpoint, "attempt": message.attempt}
    return json.dumps(content, separators=(",", ":"))


def message_of(text: str) -> Message:
    """The message in a body. Raises ValueError for every other body."""
    content: Any = json.loads(text)
    match content:
        case {"fact": str(fact), "endpoint": str(endpoint)}:
            return Message(fact=fact, endpoint=endpoint, attempt=int(content.get("attempt", 1)))
    raise ValueError("a message names a fact and an endpoint")
