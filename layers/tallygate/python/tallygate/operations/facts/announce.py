"""announce: makes facts from changes of totals, notes in cells and audit entries, each with its sequence number.

    change ─> levels announced so far (read only if needed) ─> facts ─one transaction─> OUTBOX, FEED, levels
                                  ^                                           │
                                  └───────── another fact came between ───────┘

A fact's id is derived from its subject. So a change that is seen again makes the same facts and finds them stored
already. Or it finds that the levels have moved, by itself or since, and makes none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.entries.total import Total
from tallygate.domain.facts import cell_facts as notes
from tallygate.domain.facts.audits import Audit
from tallygate.domain.facts.closing import (
    before,
    billed_to,
    period_of,
    statement,
)
from tallygate.domain.facts.facts import (
    Announcement,
    Fact,
    Levels,
    announcements,
    concerns_levels,
    restates_figures,
)
from tallygate.domain.facts.revisions import carried_out_of, layers_into, may_carry_out
from tallygate.domain.journal.observed import AuditSeen, CellNoted, EventRejected, TotalChanged
from tallygate.domain.limits.limits import Effective
from tallygate.errors import Contended
from tallygate.operations.facts.ports import LevelMove, OutboxStore, Published
from tallygate.operations.limits.ports import RulesStore

TRIES_MAX = 20
"""The facts of one feature come from its totals, of which there are only a few, so contention is low."""


def announce(
    outbox: OutboxStore,
    rules: RulesStore,
    seen: TotalChanged | CellNoted | AuditSeen | EventRejected,
    *,
    now: Instant,
) -> tuple[str, ...]:
    """Publish the facts of one observation. Return the ids of the new facts. Mostly no request, else two or three.

    Raises Contended where other facts take the place during every try.
    """
    if isinstance(seen, CellNoted):
        return _announce_note(outbox, rules, seen.note, now=now)
    if isinstance(seen, AuditSeen | EventRejected):
        return _announce_one(outbox, seen.announcement, traceparent=None, now=now)
    return _announce_change(outbox, rules, seen, now=now)


def _announce_change(outbox: OutboxStore, rules: RulesStore, changed: TotalChanged, *, now: Instant) -> tuple[str, ...]:
    old, new = changed.old, changed.new
    for _ in range(TRIES_MAX):
        levels = outbox.levels(new) if concerns_levels(old, new) else Levels()
        makes = announcements(old, new, levels)
        if not makes.announcements:
            return ()
        restates = makes.announcements[0].restates
        if restates and old is not None and not restates_figures(old, new) and _leaves_as_stated(outbox, rules, new):
            return ()
        facts = numbered(outbox, makes.announcements, traceparent=new.traceparent, now=now)
        if restates:
            assert old is not None, "a closed total has an earlier state"
            published = _restate(outbox, rules, facts[0], old, new)
        else:
            moves = None if makes.levels is None else LevelMove(total=new, seen=levels, now=makes.levels)
            published = outbox.publish(facts, level=makes.announcements[-1].level, moves=moves)
        if published is not Published.RACED:
            return tuple(fact.id for fact in facts) if published is Published.DONE else ()
    raise Contended("other facts of the feature won every try")


def _announce_note(outbox: OutboxStore, rules: RulesStore, note: notes.Note, *, now: Instant) -> tuple[str, ...]:
    known = rules.effective(note.customer)
    effective = None if known is None else known.in_force(note.time)
    announcement = notes.announcement(note, effective, upgrades_of(rules, effective))
    audit = notes.audited(note, announcement.id)
    return _announce_one(outbox, announcement, traceparent=note.traceparent, now=now, audit=audit)


def _announce_one(
    outbox: OutboxStore,
    announcement: Announcement,
    *,
    traceparent: str | None,
    now: Instant,
    audit: Audit | None = None,
) -> tuple[str, ...]:
    for _ in range(TRIES_MAX):
        facts = numbered(outbox, (announcement,), traceparent=traceparent, now=now)
        published = outbox.publish(facts, level=announcement.level, audit=audit)
        if published is not Published.RACED:
            return (announcement.id,) if published is Published.DONE else ()
    raise Contended("other facts of the feature won every try")


def upgrades_of(rules: RulesStore, effective: Effective | None) -> Mapping[str, Decimal | None]:
    """Return, by feature, what the next plan would allow, by the catalog as it is now. Empty without a next plan."""
    if effective is None or all(e.upgrade_to is None for e in effective.entitlements.values()):
        return {}
    return rules.meters().upgrades.get((effective.plan or "", effective.plan_version or 0), {})


def numbered(
    outbox: OutboxStore, announcements: Sequence[Announcement], *, traceparent: str | None, now: Instant
) -> tuple[Fact, ...]:
    """Return the facts of one feature, with the sequence numbers after its newest fact. One request."""
    about = announcements[0]
    newest = outbox.sequence(about.customer, about.feature)
    return tuple(
        Fact(
            id=announcement.id,
            type=announcement.type,
            customer=announcement.customer,
            feature=announcement.feature,
            time=now,
            sequence=sequence,
            data=announcement.data,
            traceparent=traceparent,
        )
        for sequence, announcement in enumerate(announcements, newest + 1)
    )


def _leaves_as_stated(outbox: OutboxStore, rules: RulesStore, total: Total) -> bool:
    """Return whether a closed window carries out the amount that was last stated. Two requests."""
    effective = rules.effective(total.customer)
    if not may_carry_out(total, effective):
        return True
    return carried_out_of(total, effective, layers_into(total)) == (outbox.last_stated(total).carried_out or ZERO)


def _restate(outbox: OutboxStore, rules: RulesStore, fact: Fact, old: Total, total: Total) -> Published:
    """Publish the next revision of a closed window, in the form of its closing.

    A restatement of the entitlement's own quota also has the previous figures. They come from the stream record's old
    image, because changes of a total are processed in order.
    """
    effective = rules.effective(total.customer)
    last = outbox.last_stated(total)
    revision = last.revision + 1
    if may_carry_out(total, effective):
        total = replace(total, carried_out=carried_out_of(total, effective, layers_into(total)))

    def stated(of: Total) -> dict[str, Any]:
        period, billed = period_of(of, effective), billed_to(of, effective)
        return statement(of, period=period, stripe_customer_id=billed, revision=revision)

    known = before(stated(replace(old, carried_out=last.carried_out))) if total.governed.own else {}
    fact = replace(fact, data={**stated(total), **known})
    return outbox.publish((fact,), level=total.level, restates=total, revision=revision)
