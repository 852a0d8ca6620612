"""announce: what a total's change makes known becomes facts, each with its place in the feature's sequence.

A fact's id is derived from the change, so a change that is seen again makes the same facts and finds them there.
"""

from __future__ import annotations

from dataclasses import replace

from tallygate.domain.facts import Announcement, Fact, announcements
from tallygate.domain.instants import Instant
from tallygate.domain.observed import TotalChanged
from tallygate.domain.statements import billed_to, period_of, statement
from tallygate.errors import Contended
from tallygate.store import OutboxStore, Published, RulesStore

TRIES_MAX = 20
"""Facts of one feature come from its totals, of which there are at most a few."""


def announce(outbox: OutboxStore, rules: RulesStore, changed: TotalChanged, *, now: Instant) -> tuple[str, ...]:
    """Publish what the change makes known; the ids of the facts that are new. Two requests for each, most often none.

    Raises Contended where other facts take the place every time.
    """
    return tuple(
        announcement.id
        for announcement in announcements(changed.old, changed.new)
        if _published(outbox, rules, announcement, changed, now)
    )


def _published(
    outbox: OutboxStore, rules: RulesStore, announcement: Announcement, changed: TotalChanged, now: Instant
) -> bool:
    for _ in range(TRIES_MAX):
        fact = Fact(
            id=announcement.id,
            type=announcement.type,
            customer=announcement.customer,
            feature=announcement.feature,
            time=now,
            sequence=outbox.sequence(announcement.customer, announcement.feature) + 1,
            data=announcement.data,
            traceparent=changed.new.traceparent,
        )
        if announcement.restates:
            published = _restate(outbox, rules, fact, announcement, changed)
        else:
            published = outbox.publish(fact, level=announcement.level)
        if published is not Published.RACED:
            return published is Published.DONE
    raise Contended("other facts of the feature won every try")


def _restate(
    outbox: OutboxStore, rules: RulesStore, fact: Fact, announcement: Announcement, changed: TotalChanged
) -> Published:
    """State the closed window anew, in the form of its closing, as the revision after the newest."""
    total = changed.new
    effective = rules.effective(total.customer)
    revision = outbox.revision(total) + 1
    stated = statement(
        total,
        period=period_of(total, effective),
        stripe_customer_id=billed_to(total, effective),
        revision=revision,
    )
    fact = replace(fact, data={**stated, **announcement.data})
    return outbox.publish(fact, level=announcement.level, restates=total, revision=revision)
