"""The event family: who is meant by a subject, and each event put once.

    EVENT#<customer>#<0…15>  <source>#<id>   customer, source, id, type, subject, time, received_at, data (JSON),
                                             fingerprint, batch, ext (JSON)?, traceparent?, expires_at
    SUBJECT#<key>            SUBJECT         customer

The first put wins for as long as the item is kept, which is longer than events may be late: so an event that is sent
again is either recognised or too old.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tallygate.domain.base.instants import DAY, SECOND
from tallygate.domain.metering.events import LATENESS_MAX, Event
from tallygate.domain.metering.meters import Meters
from tallygate.domain.metering.rejections import Rejection
from tallygate.storage.base import items, keys
from tallygate.storage.base.attributes import Attributes
from tallygate.storage.base.engine import Engine, Put, Refused
from tallygate.storage.base.expressions import Absent, Item
from tallygate.storage.metering.rejections import Rejections
from tallygate.storage.metering.rules import EventRules

KEPT = LATENESS_MAX + DAY
_EVENTS = Attributes(Event, names={"extensions": "ext"})
SUBJECTS_KEPT_SECONDS = 60.0
"""How long a container may go on posting for the customer that a subject key has just been taken from."""
SUBJECTS_MAX = 10_000


@dataclass(slots=True)
class Events:
    """What ingest asks of storage. `ticks` is a monotonic clock in seconds."""

    engine: Engine
    ticks: Callable[[], float] = time.monotonic
    _subjects: dict[str, tuple[str, float]] = field(default_factory=dict)
    _rules: EventRules = field(init=False)
    _rejections: Rejections = field(init=False)

    def __post_init__(self) -> None:
        self._rules = EventRules(self.engine, ticks=self.ticks)
        self._rejections = Rejections(self.engine)

    def meters(self, *, again: bool = False) -> Meters:
        return self._rules.meters(again=again)

    def customer_of(self, subject: str) -> str | None:
        """The customer that a subject names: by one of its subject keys, or by its own id; None: nobody.

        Up to two requests, none where it is remembered. Nobody is never remembered: a customer that was created a
        moment ago is found.
        """
        held = self._subjects.get(subject)
        if held is not None and self.ticks() - held[1] < SUBJECTS_KEPT_SECONDS:
            return held[0]
        found = self._resolved(subject)
        if found is not None:
            if len(self._subjects) >= SUBJECTS_MAX:
                self._subjects.pop(next(iter(self._subjects)), None)
            self._subjects[subject] = (found, self.ticks())
        return found

    def _resolved(self, subject: str) -> str | None:
        key = self.engine.get(keys.subject(subject))
        if key is not None:
            return items.text(key, "customer")
        return subject if self.engine.get(keys.profile(subject)) is not None else None

    def put(self, event: Event) -> Event | None:
        """Store the event if none has its identity; otherwise the one that has. One request; safe to repeat: an event
        that meets itself, put before with an unknown outcome, is stored."""
        key = keys.event(event.customer, event.source, event.id)
        outcome = self.engine.write(Put(key=key, item=item_of(event), condition=Absent("pk")), repeatable=True)
        if not isinstance(outcome, Refused):
            return None
        assert outcome.image is not None
        first = event_of(outcome.image)
        return None if first == event else first

    def stored(self, event: Event) -> Event | None:
        item = self.engine.get(keys.event(event.customer, event.source, event.id))
        return None if item is None else event_of(item)

    def keep_rejection(self, rejection: Rejection) -> None:
        self._rejections.keep(rejection)


def item_of(event: Event) -> Item:
    """The stored form of an event."""
    return {**_EVENTS.item(event), "expires_at": (max(event.time, event.received_at) + KEPT) // SECOND}


def event_of(item: Item) -> Event:
    """The event that an item states."""
    return _EVENTS.value(item)
