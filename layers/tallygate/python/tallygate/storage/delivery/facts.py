"""Announced facts with their places in their feeds, and the deliveries that follow from them.

One transaction writes the facts of one change, their feed and, if they change, the total's levels or its revision. A
fact's id is derived from its subject. So a fact that is made again meets its stored copy and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tallygate.domain.base.instants import Instant
from tallygate.domain.delivery.deliveries import DeliveryStatus, Endpoint
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.audits import Audit
from tallygate.domain.facts.facts import Fact, Levels
from tallygate.operations.facts.ports import LastStated, LevelMove, Published
from tallygate.storage.base import items, keys
from tallygate.storage.base.engine import Committed, Engine, Key, Refused, Update, Write
from tallygate.storage.base.expressions import Compare, Present, Set, SetOnce
from tallygate.storage.delivery.deliveries import begun
from tallygate.storage.delivery.endpoints import Endpoints
from tallygate.storage.entries.totals import CARRIED_OUT, REVISION
from tallygate.storage.facts.audits import put_audit
from tallygate.storage.facts.outbox import SEQUENCE, levels_key, levels_of, move_levels, next_in_feed, put_fact


@dataclass(slots=True)
class Facts:
    """Every method is one request, unless it says otherwise."""

    engine: Engine

    def sequence(self, customer: str, feature: str) -> int:
        return items.integer(self.engine.get(keys.feed(customer, feature)) or {}, SEQUENCE, 0)

    def last_stated(self, total: Total) -> LastStated:
        item = self.engine.get(_key(total)) or {}
        carried_out = item.get(CARRIED_OUT)
        return LastStated(
            revision=items.integer(item, REVISION, 0),
            carried_out=carried_out if isinstance(carried_out, Decimal) else None,
        )

    def levels(self, total: Total) -> Levels:
        return levels_of(self.engine.get(levels_key(total)))

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
        writes: list[Write] = [*(put_fact(fact) for fact in facts), next_in_feed(facts, level)]
        if audit is not None:
            writes.append(put_audit(audit))
        if moves is not None:
            writes.append(move_levels(moves.total, moves.seen, moves.now))
        if restates is not None:
            counted = Compare(REVISION, "=", revision - 1)
            changes = [Set(REVISION, revision)]
            if restates.carried_out is not None:
                changes.append(Set(CARRIED_OUT, restates.carried_out))
            writes.append(Update(key=_key(restates), changes=tuple(changes), condition=counted))
        outcome = self.engine.transact(writes, repeatable=True)
        if isinstance(outcome, Committed):
            return Published.DONE
        return Published.KNOWN if any(outcome.refused[: len(facts)]) else Published.RACED

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return every endpoint, read consistently. One request for each MB of them."""
        return Endpoints(self.engine).all()

    def begin_delivery(self, fact_id: str, endpoint: str, now: Instant) -> bool:
        outcome = self.engine.write(begun(fact_id, endpoint, now=now), repeatable=True)
        if not isinstance(outcome, Refused):
            return True
        image = outcome.image or {}
        return image.get("status") == DeliveryStatus.PENDING.value and items.integer(image, "attempts") == 0

    def passed(self, probe: str, now: Instant) -> None:
        changes = (SetOnce("seen_at", now),)
        self.engine.write(Update(key=keys.probe(probe), changes=changes, condition=Present("pk")), repeatable=True)


def _key(total: Total) -> Key:
    return keys.total(total.customer, total.feature, total.ordinal, total.start)
