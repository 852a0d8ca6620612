"""Holds every event that a test makes to the contract of its type."""

from __future__ import annotations

from typing import Any

import pytest

from tallygate.contracts.facts.events import events
from tallygate.delivery.cloudevents import event_of
from tallygate.domain.base.json import read_json, write_json
from tallygate.domain.facts.facts import Fact
from tallygate.storage.delivery.facts import Facts
from tallygate.storage.facts.closings import Closings


def keep(fact: Fact) -> None:
    """Check one fact, as the event that leaves."""
    events()[fact.type].model_validate(read_json(write_json(event_of(fact))))


def keep_all(patch: pytest.MonkeyPatch) -> None:
    """Check every fact before it is stored."""
    publish, close = Facts.publish, Closings.close

    def checked_publish(self: Facts, facts: Any, **more: Any) -> Any:
        for fact in facts:
            keep(fact)
        return publish(self, facts, **more)

    def checked_close(self: Closings, name: Any, total: Any, fact: Fact) -> bool:
        keep(fact)
        return close(self, name, total, fact)

    patch.setattr(Facts, "publish", checked_publish)
    patch.setattr(Closings, "close", checked_close)
