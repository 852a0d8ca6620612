"""Events, each put once, and the customers that subjects name.

    EVENT#<customer>#<0…15>  <source>#<id>   customer, source, id, type, subject, time, received_at, data (JSON),
                                             fingerprint, batch, ext (JSON)?, traceparent?, expires_at
    SUBJECT#<key>            SUBJECT         customer

The first put wins for as long as the item is kept. That is longer than events may be late, so a repeated event is
either recognized or too old.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tallygate.domain.base.instants import DAY, SECOND
from tallygate.domain.metering.events import Event
from tallygate.domain.metering.lateness import LATENESS_MAX
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
"""How long a container may use a subject key after it was taken from its customer."""
SUBJECTS_MAX = 10_000


@dataclass(slots=True)
class Events:
    """Reads and writes of ingest.

    ticks: a monotonic clock in seconds
    """

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
        """Return the customer with this subject key or id; None: there is none.

        At most two requests; none while it is cached. The absence of a customer is not cached, so a new customer is
        found at once.
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
        """Store the event and return None; if its identity is taken, return the stored event. One request.

        Safe to repeat: an event that meets its own stored copy is stored.
        """
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
    """Return the item of an event."""
    return {**_EVENTS.item(event), "expires_at": (max(event.time, event.received_at) + KEPT) // SECOND}


def event_of(item: Item) -> Event:
    """Return the event of an item."""
    return _EVENTS.value(item)
