"""The event bus: sends a fact as one EventBridge event. Its detail is the CloudEvents body that webhooks carry too.

    source "tallygate" · detail-type = the fact's type · detail = the event

An entry that the bus refuses is a failed attempt, and the timetable of webhooks retries it. EventBridge delivers at
least once, and so does the retry. Receivers recognize a repetition by the event's id.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tallygate.delivery.cloudevents import SOURCE, body_of
from tallygate.domain.base.instants import SECOND
from tallygate.domain.delivery.deliveries import DETAIL_LENGTH_MAX, AttemptOutcome, Verdict
from tallygate.domain.facts.facts import Fact

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient

TIMEOUT_SECONDS = 5


def client_config() -> Config:
    """Short timeouts and one retry, so that an attempt ends long before its claim does."""
    return Config(retries={"total_max_attempts": 2}, connect_timeout=TIMEOUT_SECONDS, read_timeout=TIMEOUT_SECONDS)


class Bus:
    """One event bus, through a client made with `client_config()`."""

    def __init__(self, client: EventBridgeClient, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._name = name
        self._clock = clock

    def put(self, fact: Fact) -> AttemptOutcome:
        """Make one attempt. Errors of the bus or the network become a failed outcome."""
        began = self._clock()
        failure = self._failure_of(fact)
        verdict = Verdict.FAILED if failure else Verdict.DELIVERED
        took = round((self._clock() - began) * SECOND)
        return AttemptOutcome(verdict=verdict, detail=failure[:DETAIL_LENGTH_MAX], took=took)

    def _failure_of(self, fact: Fact) -> str:
        """Send the fact. Return why it failed, or an empty text."""
        detail = body_of(fact).decode()
        try:
            answer = self._client.put_events(
                Entries=[{"EventBusName": self._name, "Source": SOURCE, "DetailType": fact.type, "Detail": detail}]
            )
        except (ClientError, BotoCoreError) as error:
            return f"bus: {error}"
        if answer["FailedEntryCount"] == 0:
            return ""
        (entry,) = answer["Entries"]
        return f"bus: {entry.get('ErrorCode')}: {entry.get('ErrorMessage')}"
