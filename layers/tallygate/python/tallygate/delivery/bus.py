"""The event bus: a fact as one EventBridge event, whose detail is the same CloudEvents body that webhooks carry.

    source "tallygate" · detail-type = the fact's type · detail = the event

An entry that the bus refuses is a failed attempt like any other and is tried again by the same timetable. EventBridge
delivers at least once, as does the retry: the event's id tells a repetition.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tallygate.delivery.cloudevents import SOURCE, body_of
from tallygate.domain.deliveries import DETAIL_LENGTH_MAX, Outcome, Verdict
from tallygate.domain.facts import Fact
from tallygate.domain.instants import SECOND

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient

TIMEOUT_SECONDS = 5


def client_config() -> Config:
    """Short time-outs and one repetition: an attempt is over in well under the time that it is claimed for."""
    return Config(retries={"total_max_attempts": 2}, connect_timeout=TIMEOUT_SECONDS, read_timeout=TIMEOUT_SECONDS)


class Bus:
    """One event bus, through a client made with `client_config()`."""

    def __init__(self, client: EventBridgeClient, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._name = name
        self._clock = clock

    def put(self, fact: Fact) -> Outcome:
        """One attempt. Never raises for anything that the bus or the net does."""
        began = self._clock()
        failure = self._failure_of(fact)
        took = round((self._clock() - began) * SECOND)
        if failure is None:
            return Outcome(verdict=Verdict.DELIVERED, took=took)
        return Outcome(verdict=Verdict.FAILED, detail=failure[:DETAIL_LENGTH_MAX], took=took)

    def _failure_of(self, fact: Fact) -> str | None:
        try:
            answer = self._client.put_events(
                Entries=[
                    {
                        "EventBusName": self._name,
                        "Source": SOURCE,
                        "DetailType": fact.type,
                        "Detail": body_of(fact).decode(),
                    }
                ]
            )
        except (ClientError, BotoCoreError) as error:
            return f"bus: {error}"
        if answer["FailedEntryCount"] == 0:
            return None
        (entry,) = answer["Entries"]
        return f"bus: {entry.get('ErrorCode')}: {entry.get('ErrorMessage')}"
