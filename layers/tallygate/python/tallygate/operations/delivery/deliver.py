"""deliver: makes one attempt to send a fact. The sweep finds due deliveries for which the queue brought no message.

    message ──> look ──> secrets ──> claim attempt n ──> send ──> record ──> message for n + 1, where it is due soon
                                           │ crash: due again a minute later, by the sweep
    sweep   ──> due deliveries ──> look ──> message (never a call of its own: one that hangs delays no other)

Every step may be repeated, lost or late. A message names the attempt that it asks for, and an attempt begins only once.
So a message does nothing if it arrives twice, or after its attempt was made. The outcome is recorded before the next
message is sent. A delivery ends without an attempt if its fact or endpoint is gone, or its endpoint is disabled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from tallygate.domain.base.instants import HOUR, MINUTE, Instant
from tallygate.domain.delivery import timetable
from tallygate.domain.delivery.deliveries import (
    BUS,
    REMARK,
    AttemptOutcome,
    Delivery,
    DeliveryAttempt,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
    Message,
    Verdict,
    extended,
)
from tallygate.domain.facts.facts import Fact
from tallygate.errors import StoreUnavailable, TallygateError
from tallygate.operations.delivery.ports import DeliveryStore

DUE_SHARDS = 16
SWEPT_PER_SHARD_MAX = 50
"""Keeps one shard from using up the whole sweep. The next sweep begins with what is left, the oldest first."""
SWEPT_MAX = DUE_SHARDS * SWEPT_PER_SHARD_MAX
POISON_POSTPONED = HOUR
"""A delivery that cannot be read because of a defect makes room for others and is tried again every hour."""


class Queue(Protocol):
    """The queue of messages. A message may arrive several times and in any order, but never early."""

    def send(self, message: Message, *, delay_seconds: int) -> None: ...


Secrets = Callable[[Endpoint, Instant], tuple[str, ...]]
"""Returns the secrets that sign webhooks to an endpoint now. Raises StoreUnavailable."""
Post = Callable[[Fact, Endpoint | None, tuple[str, ...]], AttemptOutcome]
"""Makes one attempt to a webhook or (None) to the event bus.

It never raises for errors of the receiver or the network.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """The functions that make an attempt."""

    secrets: Secrets
    post: Post


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of one message.

    result: of an attempt: delivered, failed, gone or retry. Without an attempt: superseded (another message makes or
        made this attempt, or the delivery has ended), unknown, no_fact, no_endpoint, disabled or exhausted.
    next_attempt_at: set for retry
    lag: time since the delivery began, in milliseconds
    """

    message: Message
    result: str
    outcome: AttemptOutcome | None = None
    fact_type: str | None = None
    traceparent: str | None = None
    next_attempt_at: Instant | None = None
    lag: Instant = 0


def deliver(
    store: DeliveryStore,
    queue: Queue,
    sending: Sending,
    message: Message,
    *,
    now: Instant,
    wall: Instant,
    claimant: str,
) -> Report:
    """Make the attempt that the message asks for, unless it was made already.

    now: the product's time, by which attempts are due
    wall: real time, by which items expire
    claimant: unique to this call

    Raises StoreUnavailable. The sweep then continues whatever had begun.
    """
    delivery = store.delivery(message.fact, message.endpoint)
    if delivery is None:
        return Report(message=message, result="unknown")
    if delivery.status is not DeliveryStatus.PENDING or delivery.attempts != message.attempt - 1:
        return Report(message=message, result="superseded")
    fact = store.fact(delivery.fact_id)
    if fact is None:
        return _end_without_attempt(store, delivery, message, "no_fact", now=now, wall=wall)
    endpoint, refusal = _receiver(store, delivery)
    if delivery.attempts >= timetable.ATTEMPTS_MAX:
        refusal = "exhausted"
    if refusal is not None:
        report = _end_without_attempt(store, delivery, message, refusal, now=now, wall=wall)
        return replace(report, fact_type=fact.type, traceparent=fact.traceparent)
    # Secrets are read before the claim. Without them no attempt is made or counted, and the message is redelivered.
    secrets = () if endpoint is None else sending.secrets(endpoint, now)
    if delivery.attempts == 0 and endpoint is not None:
        store.list_under_endpoint(delivery, fact.type, wall=wall)
    claimed = store.claim(delivery, claimant=claimant, until=now + timetable.CLAIM)
    if claimed is None:
        return Report(message=message, result="superseded")
    outcome = sending.post(fact, endpoint, secrets)
    report = _record(store, queue, claimed, message, outcome, now=now, wall=wall)
    return replace(
        report,
        outcome=outcome,
        fact_type=fact.type,
        traceparent=fact.traceparent,
        lag=max(0, now - delivery.created_at),
    )


def _receiver(store: DeliveryStore, delivery: Delivery) -> tuple[Endpoint | None, str | None]:
    """Return the endpoint (None: the bus), or the reason to send nothing."""
    if delivery.endpoint == BUS:
        return None, None
    endpoint = store.endpoint(delivery.endpoint)
    if endpoint is None:
        return None, "no_endpoint"
    if endpoint.status is EndpointStatus.DISABLED:
        return None, "disabled"
    return endpoint, None


def _end_without_attempt(
    store: DeliveryStore, delivery: Delivery, message: Message, why: str, *, now: Instant, wall: Instant
) -> Report:
    history = extended(delivery.history, DeliveryAttempt(number=REMARK, at=now, result=why), begun=delivery.attempts)
    if not store.settle(delivery, DeliveryStatus.FAILED, history=history, wall=wall):
        return Report(message=message, result="superseded")
    return Report(message=message, result=why)


def _record(
    store: DeliveryStore,
    queue: Queue,
    claimed: Delivery,
    message: Message,
    outcome: AttemptOutcome,
    *,
    now: Instant,
    wall: Instant,
) -> Report:
    """Record the attempt's outcome, then ask the queue for the next attempt if it is due soon."""
    history = extended(claimed.history, _line(claimed.attempts, outcome, now), begun=claimed.attempts - 1)
    last = claimed.attempts >= timetable.ATTEMPTS_MAX
    if outcome.verdict is Verdict.FAILED and not last:
        return _put_off(store, queue, claimed, message, outcome, history, now=now)
    if outcome.verdict is Verdict.GONE:
        store.disable(claimed.endpoint, "the receiver answered 410 Gone")
    delivered = outcome.verdict is Verdict.DELIVERED
    status = DeliveryStatus.DELIVERED if delivered else DeliveryStatus.FAILED
    store.settle(claimed, status, history=history, wall=wall)
    return Report(message=message, result=outcome.verdict.value)


def _put_off(
    store: DeliveryStore,
    queue: Queue,
    claimed: Delivery,
    message: Message,
    outcome: AttemptOutcome,
    history: tuple[DeliveryAttempt, ...],
    *,
    now: Instant,
) -> Report:
    following = claimed.attempts + 1
    delay = timetable.delay_before(following, claimed.name, outcome.retry_after)
    at = now + delay
    recorded = store.put_off(claimed, history=history, due_at=timetable.net_at(at, delay))
    if recorded and timetable.by_queue(delay):
        queue.send(replace(message, attempt=following), delay_seconds=timetable.queue_seconds(delay))
    return Report(message=message, result="retry", next_attempt_at=at)


def _line(number: int, outcome: AttemptOutcome, now: Instant) -> DeliveryAttempt:
    return DeliveryAttempt(
        number=number,
        at=now,
        result=outcome.verdict.value,
        status=outcome.status,
        detail=outcome.detail,
        took=outcome.took,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """The result of one sweep.

    handed_over: messages sent to the queue
    out_of_date: index entries that were no longer due
    failures: errors; the next sweep tries these deliveries again
    finished: whether all due entries were looked at
    """

    handed_over: tuple[Message, ...] = ()
    out_of_date: int = 0
    failures: tuple[TallygateError, ...] = ()
    finished: bool = True

    @property
    def defect(self) -> TallygateError | None:
        """The first failure that a retry cannot fix."""
        return next((error for error in self.failures if not error.retryable), None)


def sweep(
    store: DeliveryStore, queue: Queue, *, now: Instant, time_left: Callable[[], bool], most: int = SWEPT_MAX
) -> Swept:
    """Send messages for the next attempts of due deliveries to the queue. A second sweep at once sends nothing.

    most: how many index entries one sweep looks at, 1 or more; bounds the time that a backlog takes

    SWEPT_PER_SHARD_MAX and `time_left` bound it too. Each minute begins with another shard, so no shard starves. A
    delivery that fails keeps no other waiting.
    """
    messages: list[Message] = []
    failures: list[TallygateError] = []
    out_of_date = 0
    finished = True
    for seen, (fact_id, endpoint) in enumerate(_due(store, now)):
        if seen >= most or not time_left():
            finished = False
            break
        try:
            message = _hand_over(store, queue, fact_id, endpoint, now=now)
        except TallygateError as error:
            failures.append(error)
            if not error.retryable:
                with suppress(StoreUnavailable):
                    store.look_again(fact_id, endpoint, at=now + POISON_POSTPONED)
            continue
        if message is None:
            out_of_date += 1
        else:
            messages.append(message)
    return Swept(handed_over=tuple(messages), out_of_date=out_of_date, failures=tuple(failures), finished=finished)


def _due(store: DeliveryStore, now: Instant) -> Iterator[tuple[str, str]]:
    for turn in range(DUE_SHARDS):
        yield from store.due((now // MINUTE + turn) % DUE_SHARDS, now, SWEPT_PER_SHARD_MAX)


def _hand_over(store: DeliveryStore, queue: Queue, fact_id: str, endpoint: str, *, now: Instant) -> Message | None:
    """Ask the queue for the delivery's next attempt; None: it is no longer due."""
    delivery = store.delivery(fact_id, endpoint)
    if delivery is None or delivery.due_at is None or delivery.due_at > now:
        return None
    message = Message(fact=fact_id, endpoint=endpoint, attempt=delivery.attempts + 1)
    queue.send(message, delay_seconds=0)
    store.handed_over(delivery, until=now + timetable.HAND_OVER)
    return message
