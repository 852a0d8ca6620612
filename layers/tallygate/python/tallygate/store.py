"""What the operations ask of storage: named moves, each with its atomicity, and the values that they answer.

One Protocol per family of moves; `tallygate.storage` provides each over either engine. An operation names the Protocol
that it needs and sees nothing of items, keys or expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.terms import Terms
from tallygate.domain.admission.tier_suspensions import TierSuspension
from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog.catalog import Feature
from tallygate.domain.catalog.units import Unit
from tallygate.domain.delivery.deliveries import Attempt, Delivery, DeliveryStatus, Endpoint, Message, SigningSecret
from tallygate.domain.entries.entry import CellEntry
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.adjustments import Adjustment
from tallygate.domain.facts.audits import Audit
from tallygate.domain.facts.facts import Fact, Levels
from tallygate.domain.journal.replays import KeptWindow
from tallygate.domain.limits.counters import CellName, CounterName
from tallygate.domain.limits.limits import Effective
from tallygate.domain.metering.dimensions import DeclaredDimensions
from tallygate.domain.metering.events import Event
from tallygate.domain.metering.meters import Meters
from tallygate.domain.metering.rejections import Rejection
from tallygate.domain.usage.queries import UsageItem


@dataclass(frozen=True, slots=True)
class Admitted:
    """The write was made; `after` is the cell with it."""

    after: Cell


@dataclass(frozen=True, slots=True)
class NotAdmitted:
    """Nothing was written; `seen` is the cell that refused."""

    seen: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What an Idempotency-Key keeps of a granted consume; `windows` are those of quotas that it counted in."""

    fingerprint: str
    decision_id: str
    amount: Decimal
    decided_at: Instant
    windows: tuple[KeptWindow, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeated:
    """The key was used before; nothing was written. `receipt` says for what, `seen` is the cell as it stands now."""

    receipt: Receipt
    seen: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class SoldFeature:
    """A feature as decisions need it: the unit that its quantities are shown in, and the dimensions of its requests."""

    unit: Unit | None
    dimensions: DeclaredDimensions


class AdmissionStore(Protocol):
    """Admission: what may still be consumed now. Every method is one request, unless it says otherwise."""

    def effective(self, customer: str) -> Effective | None:
        """The customer's limits in force, consistent; None: no such customer."""

    def knows_feature(self, feature: str) -> bool:
        """Whether the catalog has the feature; asked only to explain a denial."""

    def sold(self, feature: str, *, fresh: bool) -> SoldFeature | None:
        """The feature as the catalog has it, consistent if `fresh`; None: no such feature. Two requests at most, or
        twice as many where it was declared a moment ago."""

    def decision_secret(self) -> bytes | None:
        """The secret under which decision ids are signed, consistent; None: none was made yet."""

    def make_decision_secret(self, secret: bytes) -> bytes:
        """Keep the secret unless there is one; the one that stands. Repeatable."""

    def read(self, cell: CellName) -> Cell:
        """The cell, consistent."""

    def admit(self, cell: CellName, terms: Terms, entry: CellEntry) -> Admitted | NotAdmitted:
        """Count the terms' amount in every counter, or in none. Atomic; with a remembered mark safe to repeat.

        Raises OutcomeUnknown where the write may or may not have been made and could not be repeated safely.
        """

    def admit_once(
        self, cell: CellName, terms: Terms, entry: CellEntry, idempotency_key: str, receipt: Receipt
    ) -> Admitted | NotAdmitted | Repeated:
        """As `admit`, and keep the receipt, both or neither: one transaction, then one read of the cell."""

    def receipt(self, customer: str, idempotency_key: str, now: Instant) -> Receipt | None:
        """What the key keeps, consistent; asked only before a denial that no cell was asked for."""

    def total(self, cell: CellName, counter: CounterName) -> Total | None:
        """The total of a window, consistent; asked only of one that the cell has removed. None: nothing is folded."""

    def follow(self, effective: Effective, feature: str, now: Instant) -> Cell:
        """Let usage of other windows follow that the limits say follows, unless it has; the cell after it. Two
        requests. Raises Contended."""

    def suspend(self, cell: CellName, suspension: TierSuspension, entry: CellEntry) -> Cell | None:
        """Suspend usage in the cell while the request still reaches for the tier that does; safe to repeat.

        The cell after it; None: it is suspended already, or there is room by now.
        """

    def mark_denied(self, cell: CellName, counter: CounterName, over: Instant, entry: CellEntry) -> Cell | None:
        """Mark the first denial in a window that is over at an instant; None: it is marked, or removed. Repeatable."""


Moves = tuple[object, ...]
"""Writes that a family of storage prepared, to be committed with others in one transaction; it alone looks inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """What an Idempotency-Key of the control plane keeps: the request's fingerprint and the answer without secrets."""

    fingerprint: str
    status: int
    body: Mapping[str, Any]


class ReceiptStore(Protocol):
    """Commits what an operation of the control plane planned, with or without a receipt."""

    def stored(self, operation: str, idempotency_key: str, now: Instant) -> StoredAnswer | None:
        """What the key keeps, consistent; None where nothing is kept, or no longer."""

    def commit(self, moves: Moves) -> bool:
        """All of the moves or none, in one transaction; False: a condition refused. Raises OutcomeUnknown."""

    def commit_once(
        self, moves: Moves, operation: str, idempotency_key: str, answer: StoredAnswer, now: Instant
    ) -> bool:
        """All of the moves and the receipt, or none, in one transaction. False: the key keeps an answer by now (which
        may be this very one, where the first attempt's outcome was unknown), or a condition of the moves refused."""


class EndpointStore(Protocol):
    """Who receives webhooks."""

    def create(self, endpoint: Endpoint) -> Moves:
        """The write that adds an endpoint; refused where its id is taken."""

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """One endpoint, consistent."""

    def all(self) -> tuple[Endpoint, ...]:
        """Every endpoint, consistent, in order of their ids. One request for each MB of them."""

    def page(self, *, after: str | None, limit: int) -> tuple[tuple[Endpoint, ...], str | None]:
        """Some endpoints in order of their ids, and where to go on. One request."""

    def replace_secrets(self, seen: Endpoint, secrets: tuple[SigningSecret, ...]) -> Moves:
        """The write that gives an endpoint other secrets; refused where it is gone, or has others than were seen."""

    def disable(self, endpoint_id: str, reason: str) -> None:
        """Send nothing more to the endpoint, if it still exists. Repeating it changes nothing."""

    def delete(self, endpoint_id: str, *, beside: Moves = ()) -> bool:
        """Remove an endpoint and make the moves `beside`; its pending deliveries end at their next attempt.

        False: there is none.
        """

    def deliveries(
        self, endpoint_id: str, *, after: str | None, limit: int
    ) -> tuple[tuple[tuple[str, Delivery], ...], str | None]:
        """The endpoint's newest deliveries with the types of their facts, and where to go on; one request for the list
        and one for each delivery on it."""


class DeliveryStore(Protocol):
    """Facts on their way. Every method is one request."""

    def delivery(self, fact_id: str, endpoint: str) -> Delivery | None:
        """How a delivery stands, consistent."""

    def fact(self, fact_id: str) -> Fact | None:
        """What is delivered, consistent."""

    def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """To whom, consistent."""

    def list_under_endpoint(self, delivery: Delivery, fact_type: str, *, wall: Instant) -> None:
        """Let the endpoint's deliveries name this one. Repeating it changes nothing."""

    def claim(self, delivery: Delivery, *, claimant: str, until: Instant) -> Delivery | None:
        """Begin the next attempt, if none has begun since the delivery was seen; None: one has, or it is settled.

        Atomic. `claimant` is unique to this call, so that a write repeated after an unknown outcome knows itself.
        """

    def put_off(self, claimed: Delivery, *, history: tuple[Attempt, ...], due_at: Instant) -> bool:
        """Record the claimed attempt; the delivery stays pending. False: another attempt has begun since. Atomic."""

    def settle(
        self, delivery: Delivery, status: DeliveryStatus, *, history: tuple[Attempt, ...], wall: Instant
    ) -> bool:
        """Record the end of a delivery and take it out of the index. False: another attempt has begun since. Atomic."""

    def disable(self, endpoint_id: str, reason: str) -> None:
        """Send nothing more to the endpoint, if it still exists. Repeating it changes nothing."""

    def due(self, shard: int, now: Instant, limit: int) -> tuple[tuple[str, str], ...]:
        """(fact, endpoint) of deliveries that are due in a shard, oldest first; not consistent: look at each again."""

    def handed_over(self, delivery: Delivery, *, until: Instant) -> None:
        """Keep the sweep from handing it over again before `until`, unless something has happened to it since."""

    def look_again(self, fact_id: str, endpoint: str, *, at: Instant) -> None:
        """Move when a delivery that cannot be read is due."""


@dataclass(frozen=True, slots=True)
class TotalName:
    """Which total; storage alone looks inside."""

    customer_part: str
    window_part: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedTotal:
    """A closed total as it stands, and what was stated when it was closed. `position` is where a list goes on."""

    position: str
    total: Total
    closed_at: Instant
    closed_value: Decimal


class ClosingStore(Protocol):
    """Totals whose windows are over."""

    def due(self, shard: int, until: Instant, limit: int) -> tuple[TotalName, ...]:
        """Totals in a shard whose windows ended by `until`, oldest first; not consistent: look at each again."""

    def total(self, name: TotalName) -> Total | None:
        """The total as it stands, consistent."""

    def effective(self, customer: str) -> Effective | None:
        """The customer's limits in force, consistent; None: no such customer."""

    def former_limits(self, customer: str, before: Instant) -> Iterator[Effective]:
        """Versions of them that came into force before an instant, the newest first. Nothing is read until the first is
        asked for; a request for every few."""

    def unit(self, feature: str) -> Unit | None:
        """The unit that the feature has now; None: it has none, or there is no such feature."""

    def cell(self, name: CellName) -> Cell:
        """The cell, consistent; asked only of what carries over."""

    def adjustments(self, customer: str, feature: str, before: Instant, limit: int) -> tuple[Adjustment, ...]:
        """The newest adjustments of a customer's feature that were made before an instant, newest first, consistent."""

    def sequence(self, customer: str, feature: str) -> int:
        """The sequence of the newest fact of a customer's feature, consistent; 0: there is none."""

    def close(self, name: TotalName, total: Total, fact: Fact) -> bool:
        """Close the total, keep the fact, take the fact's place in its feed: one transaction. Safe to repeat.

        The unit and the limit that the total states stay with it. False: nothing was written, because the total has
        changed or been closed, or another fact took the place.
        """

    def look_again(self, name: TotalName, *, at: Instant | None) -> None:
        """Move when the total is due, or (None) take it out of the index. Repeating it changes nothing."""

    def closed(
        self,
        customer: str,
        feature: str | None,
        *,
        after: str | None,
        limit: int,
        wanted: Callable[[Total], bool] = ...,
    ) -> tuple[tuple[ClosedTotal, ...], str | None]:
        """Closed totals of a customer (and feature) that are wanted, in order of feature, limit and time, and where to
        go on."""


class EventStore(Protocol):
    """Events, each stored once."""

    def customer_of(self, subject: str) -> str | None:
        """The customer that a subject names by a subject key or by its own id; None: nobody. Remembered a minute."""

    def put(self, event: Event) -> Event | None:
        """Store the event (None), unless its identity is taken: then the event that has it. One request, repeatable."""

    def stored(self, event: Event) -> Event | None:
        """The stored event that has this one's identity, consistent; None: there is none. One request."""

    def meters(self, *, again: bool = False) -> Meters:
        """What events are judged by, at most a minute old, or (`again`) a second. No request where it is remembered."""

    def keep_rejection(self, rejection: Rejection) -> None:
        """Keep the rejection, unless one of its customer, minute and code is kept. One request at most; repeatable."""


class Published(Enum):
    """What came of publishing a fact: `KNOWN` means that it had been before, `RACED` that its place was taken."""

    DONE = "done"
    KNOWN = "known"
    RACED = "raced"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastStated:
    """How often something has been stated about a closed total, and what its window carried out by the last of it."""

    revision: int
    carried_out: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelMove:
    """A total's levels as they were seen, and as the facts leave them."""

    total: Total
    seen: Levels
    now: Levels


class OutboxStore(Protocol):
    """Facts, and what hands them on."""

    def sequence(self, customer: str, feature: str) -> int:
        """The sequence of the newest fact of a customer's feature, consistent; 0: there is none."""

    def last_stated(self, total: Total) -> LastStated:
        """What was last stated about a closed total, consistent."""

    def levels(self, total: Total) -> Levels:
        """The levels of a total that were told and not left, consistent."""

    def publish(
        self,
        facts: Sequence[Fact],
        *,
        level: str = "",
        moves: LevelMove | None = None,
        restates: Total | None = None,
        revision: int = 0,
        audit: Audit | None = None,
    ) -> Published:
        """Keep the facts of one feature, take their places in its feed, and (restating) count the total's `revision`,
        move its levels or keep the audit entry: one transaction. KNOWN where one of them had been published, for they
        go together."""

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every endpoint, consistent."""

    def begin_delivery(self, fact_id: str, endpoint: str, now: Instant) -> bool:
        """Begin a delivery, once. Whether its first attempt is still to be asked for: a crash may have come between."""

    def passed(self, probe: str, now: Instant) -> None:
        """Let the probe say when the fold came past it."""


class AttemptQueue(Protocol):
    """Where deliveries wait for their attempts."""

    def send(self, message: Message) -> None:
        """Ask for an attempt. At least once: asking twice does no harm. Raises StoreUnavailable."""


class UsageStore(Protocol):
    """What GET /v1/usage reads."""

    def usage(self, customer: str, meter: str, first_day: str, last_day: str) -> Iterable[UsageItem]:
        """A meter's usage on these UTC days, in order. As many requests as there are pages."""

    def feature(self, feature: str) -> Feature | None:
        """The feature as the catalog has it; None: no such feature. One request."""

    def resets(self, cell: CellName, since: Instant, until: Instant) -> Mapping[Instant, str]:
        """The feature's resets that were made in (since, until], by when they were effective, and what by. As many
        requests as there are pages."""

    def dimensions(self, meter: str) -> frozenset[str] | None:
        """The dimensions that the meter declares; None: there is no such meter. One request."""

    def knows_customer(self, customer: str) -> bool:
        """Whether the customer exists. One request."""
