"""The deliveries queue: messages that ask for one attempt at one delivery, at once or within 15 minutes.

{"fact": "<id>", "endpoint": "<id> | BUS", "attempt": n}        attempt may be absent: the first

Every message names its endpoint as its group. In a standard queue that promises no order; it makes the queue fair:
while the messages of one group take more than their share of the consumers' time, those of the others go first. So one
receiver that hangs, with however many deliveries, takes the place of neither the bus nor other receivers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tallygate.domain.deliveries import Message
from tallygate.errors import StoreUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

TIMEOUT_SECONDS = 5


def client_config() -> Config:
    """Short time-outs and one repetition; a message sent twice is harmless."""
    return Config(retries={"total_max_attempts": 2}, connect_timeout=TIMEOUT_SECONDS, read_timeout=TIMEOUT_SECONDS)


class SqsQueue:
    """One queue, through a client made with `client_config()`."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, message: Message, *, delay_seconds: int = 0) -> None:
        """Let the message arrive after the delay. Raises StoreUnavailable; the sweep makes up for a message lost."""
        try:
            self._client.send_message(
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
    """The message that a body states. Raises ValueError for anything else."""
    content: Any = json.loads(text)
    match content:
        case {"fact": str(fact), "endpoint": str(endpoint)}:
            return Message(fact=fact, endpoint=endpoint, attempt=int(content.get("attempt", 1)))
    raise ValueError("a message names a fact and an endpoint")
