"""Writes of cells: the single write that decides, with a name for every clause of its condition.

    consume    one UpdateItem; its condition is all the limits at once, its image (new or old) is the answer
    consume    with a receipt: the same update and the receipt in one transaction, then one read for `used`
    suspend    by a tier, when a request would go beyond it; mark_denied, for the first denial of a window
    raise      a newer version of the limits, which refuses stale writers

The condition must agree with `domain.admission.decide.refusal` on every image; the contract suite compares both.

A refused consume counts nothing. It may leave a suspension, or the mark of a window's first denial:

    sus, sus.<ordinal>     until when usage is suspended      sb, sb.<ordinal>   by which tier
    d.<ordinal>.<start>    when the window's first denial was marked

The condition of a suspension repeats the reason of the refusal. Without it, usage could be suspended although a
settlement or a raised limit has made room, or although another limit denies by now.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from decimal import Decimal
from typing import TYPE_CHECKING

from tallygate.domain.admission.cells import Cell
from tallygate.domain.admission.replays import KeptWindow
from tallygate.domain.admission.terms import Expectation, QuotaTerm, RateTerm, Terms
from tallygate.domain.admission.tier_causes import cause_text
from tallygate.domain.admission.tier_suspensions import TierSuspension
from tallygate.domain.base.instants import DAY, SECOND, Instant
from tallygate.domain.base.quantities import ZERO, plain
from tallygate.domain.catalog.tiers import may_suspend
from tallygate.domain.catalog.units import Unit
from tallygate.domain.entries.notices import BumpEntry
from tallygate.domain.limits.counters import CellName, CounterName
from tallygate.domain.limits.limits import Effective
from tallygate.domain.limits.rungs import ANYWHERE, BEYOND, HOLDS, WITHIN
from tallygate.errors import InvariantBroken
from tallygate.operations.admission.ports import (
    Admitted,
    NotAdmitted,
    Receipt,
    Repeated,
    SoldFeature,
)
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.openings import as_seen, not_open_yet, opening_changes
from tallygate.storage.admission.secrets import make_secret, read_secret
from tallygate.storage.base import items, keys
from tallygate.storage.base.documents import compact
from tallygate.storage.base.engine import Cancelled, Engine, Key, Put, Refused, Update
from tallygate.storage.base.expressions import (
    Absent,
    All,
    Any,
    Change,
    Compare,
    Condition,
    Contains,
    Include,
    Increase,
    Item,
    Not,
    Present,
    Remove,
    Set,
    SetOnce,
    absent_or,
)
from tallygate.storage.catalog.features import sold_feature_at, unit_at
from tallygate.storage.entries.writes import CellWrite
from tallygate.storage.limits.versions import effective_at

if TYPE_CHECKING:
    from tallygate.domain.entries.entry import CellEntry
    from tallygate.domain.entries.total import Total

RECEIPT_KEPT = DAY
"""How long an Idempotency-Key replays its answer. The API promises 24 hours."""


class Cells:
    """Reads and writes of check and consume. Every method is one request, unless it says otherwise."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def effective(self, customer: str) -> Effective | None:
        return effective_at(self._engine, customer)

    def knows_feature(self, feature: str) -> bool:
        return self._engine.get(keys.catalog_feature(feature), consistent=False) is not None

    def unit(self, feature: str) -> Unit | None:
        return unit_at(self._engine, feature)

    def decision_secret(self) -> bytes | None:
        return read_secret(self._engine)

    def make_decision_secret(self, secret: bytes) -> bytes:
        return make_secret(self._engine, secret)

    def sold(self, feature: str, *, fresh: bool) -> SoldFeature | None:
        """Return the feature as the catalog has it, read consistently if `fresh`; None: no such feature."""
        return sold_feature_at(self._engine, feature, fresh=fresh)

    def read(self, cell: CellName) -> Cell:
        return cell_image.cell_of(self._engine.get(keys.cell(cell)))

    def admit(self, cell: CellName, terms: Terms, entry: CellEntry) -> Admitted | NotAdmitted:
        """Count the terms' amount in every counter, or in none. Atomic; safe to repeat if the mark is remembered."""
        written = self._engine.write(_admission(cell, terms, entry), repeatable=terms.remembered)
        if isinstance(written, Refused):
            return NotAdmitted(cell_image.cell_of(written.image))
        return Admitted(cell_image.cell_of(written.image))

    def admit_once(
        self, cell: CellName, terms: Terms, entry: CellEntry, idempotency_key: str, receipt: Receipt
    ) -> Admitted | NotAdmitted | Repeated:
        key = keys.receipt(cell.customer, "consume", idempotency_key)
        outcome = self._engine.transact((_admission(cell, terms, entry), _receipt_put(key, receipt)), repeatable=True)
        if isinstance(outcome, Cancelled):
            seen, kept = outcome.images
            if outcome.refused[1] and kept is not None:
                return Repeated(_receipt_of(kept), self.read(cell))
            return NotAdmitted(cell_image.cell_of(seen))
        return Admitted(self.read(cell))

    def receipt(self, customer: str, idempotency_key: str, now: Instant) -> Receipt | None:
        """Return the receipt under the key, read consistently; None: there is none, or it has expired."""
        item = self._engine.get(keys.receipt(customer, "consume", idempotency_key))
        if item is None or items.integer(item, "expires_at") <= now // SECOND:
            return None
        return _receipt_of(item)

    def total(self, cell: CellName, counter: CounterName) -> Total | None:
        from tallygate.storage.entries.totals import total_of  # noqa: PLC0415  # few containers ever need it

        item = self._engine.get(keys.total(cell.customer, cell.feature, *counter))
        return None if item is None else total_of(item)

    def suspend(self, cell: CellName, suspension: TierSuspension, entry: CellEntry) -> Cell | None:
        """Suspend usage if it still reaches the tier and no other limit denies. Return the cell after it, or None."""
        others_grant = _others_grant(suspension.terms, suspension.reached)
        write = suspending(cell, suspension, entry, others_grant)
        written = self._engine.write(write.update, repeatable=True)
        return None if isinstance(written, Refused) else cell_image.cell_of(written.image)

    def mark_denied(self, cell: CellName, counter: CounterName, over: Instant, entry: CellEntry) -> Cell | None:
        """Mark a window's first denial.

        Return the cell after it; None: it is marked already, or the window was removed.
        """
        write = marking(cell, counter, over, entry)
        written = self._engine.write(write.update, repeatable=True)
        return None if isinstance(written, Refused) else cell_image.cell_of(written.image)

    def follow(self, effective: Effective, feature: str, now: Instant) -> Cell:
        from tallygate.storage.admission.following import follow  # noqa: PLC0415  # few containers ever need it

        return follow(self._engine, effective, feature, now)

    def raise_version(self, cell: CellName, version: int, now: Instant) -> None:
        older = absent_or(Compare(cell_image.VERSION, "<", version))
        entry = BumpEntry(feature=cell.feature, time=now, version=version)
        self._engine.write(CellWrite(cell, (Set(cell_image.VERSION, version),), entry, older).update, repeatable=True)


def _admission(cell: CellName, terms: Terms, entry: CellEntry) -> Update:
    return CellWrite(cell, admission_changes(terms), entry, admission_condition(terms)).update


def admission_changes(terms: Terms) -> list[Change]:
    """Return the changes of a grant: count, remember the request, and remove what has ended by the last seen image."""
    changes: list[Change] = []
    for term in terms.quotas:
        used = cell_image.used_name(term.counter)
        if term.alone:
            continue
        if term.opens is None:
            changes.append(Increase(used, terms.amount))
        else:
            # The window's first write also opens it with its carryover.
            changes += [Set(used, terms.amount - term.opens.carried), *opening_changes(term.counter, term.opens)]
    changes += [
        Set(cell_image.newest_name(term.quota.ordinal), term.window.start) for term in terms.quotas if term.begins
    ]
    changes += [
        SetOnce(cell_image.window_name(cell_image.GRACE, term.counter), terms.now)
        for term in terms.quotas
        if term.graced
    ]
    changes += [Increase(cell_image.rated_name(term.current), terms.amount) for term in terms.rates]
    changes.append(Set(cell_image.VERSION, terms.version))
    if terms.remembered:
        changes.append(Include(cell_image.marks_name(terms.mark.minute), frozenset((terms.mark.digest,))))
    if terms.gone is not None:
        changes.append(Set(cell_image.FLOOR, terms.gone))
    for counter in terms.dead_used:
        names = (cell_image.used_name(counter), cell_image.brought_name(counter), cell_image.brought_from_name(counter))
        changes += [Remove(name) for name in names]
    changes += [
        Remove(cell_image.window_name(kind, counter)) for counter in terms.dead_beside for kind in cell_image.BESIDE
    ]
    changes += [
        Remove(cell_image.window_name(kind, counter))
        for counter in terms.dead_followed
        for kind in cell_image.OF_FOLLOWED
    ]
    changes += [Remove(cell_image.rated_name(counter)) for counter in terms.dead_rated]
    changes += [Remove(cell_image.marks_name(minute)) for minute in terms.dead_minutes]
    return changes


def admission_condition(terms: Terms) -> Condition:
    """Return the condition on the cell. Its clauses have the order in which a refusal is explained."""
    clauses: list[Condition] = []
    if terms.remembered:
        clauses += _not_seen_before(terms)
    clauses.append(_limits_not_newer(terms.version))
    if terms.followings:
        clauses.append(Compare(cell_image.FOLLOWINGS, ">=", terms.followings))
    clauses += _clock_not_behind(terms)
    clauses += [absent_or(Compare(cell_image.suspended_name(name), "<=", terms.now)) for name in terms.suspensions]
    clauses += [clause for term in terms.quotas for clause in _quota_grants(term)]
    clauses += [_room_in_rate(term) for term in terms.rates if term.decides]
    return All(tuple(clauses))


def _others_grant(terms: Terms, but: Collection[CounterName]) -> Condition:
    """All other deciding limits grant the amount: all but these counters' quotas and the rates of their tiers."""
    quotas = [term for term in terms.quotas if term.decides and term.counter not in but]
    clauses = [clause for term in quotas for clause in _quota_grants(term)]
    clauses += [_room_in_rate(term) for term in terms.rates if term.decides and term.throttles not in but]
    return All(tuple(clauses))


def _quota_grants(term: QuotaTerm) -> list[Condition]:
    """The window is the one that was seen, and the amount fits as expected."""
    clauses: list[Condition] = []
    expected = term.expected
    if term.quota.schedule.from_first_use:
        clauses.append(as_seen(cell_image.newest_name(term.quota.ordinal), term.newest))
    if term.opens is not None:
        # The counter starts below zero: at minus the carried amount.
        clauses.append(not_open_yet(term.counter, term.opens))
        if expected is not None and not expected.bounds.hold(-term.opens.carried):
            clauses.append(Any(()))
    elif expected is not None:
        clauses += _as_expected(term, expected)
    elif term.carries:
        clauses.append(Present(cell_image.used_name(term.counter)))
    if expected is not None and term.tiers and may_suspend(term.tiers):
        waived = cell_image.waived_text(expected.waived) or None
        clauses.append(as_seen(cell_image.window_name(cell_image.WAIVED, term.counter), waived))
    return clauses


def _not_seen_before(terms: Terms) -> list[Condition]:
    return [Not(Contains(cell_image.marks_name(minute), terms.mark.digest)) for minute in terms.mark.minutes]


def _limits_not_newer(version: int) -> Condition:
    return absent_or(Compare(cell_image.VERSION, "<=", version))


def _clock_not_behind(terms: Terms) -> list[Condition]:
    """No window of this write lies below the floor, else a slow clock would restart it at zero.

    The floor only rises.
    """
    clauses: list[Condition] = []
    if (soonest_end := terms.soonest_end) is not None:
        clauses.append(absent_or(Compare(cell_image.FLOOR, "<", soonest_end)))
    if terms.gone is not None:
        clauses.append(absent_or(Compare(cell_image.FLOOR, "<=", terms.gone)))
    return clauses


def _as_expected(term: QuotaTerm, expected: Expectation) -> list[Condition]:
    """The counter is within its bounds, and the values that the bounds were computed from have not changed.

    An absent counter counts as zero. With carryover it does not: there an absent counter means that the window is not
    open. In a rolling period, no other sub-window may have grown since it was seen.
    """
    used, bounds = cell_image.used_name(term.counter), expected.bounds
    clauses: list[Condition] = []
    if term.alone:
        # The request alone is compared, and it was when the terms were made. So the limit must still be the same.
        clauses += [] if bounds.hold(ZERO) else [Any(())]
        clauses.append(as_seen(cell_image.window_name(cell_image.ADJUSTED, term.counter), expected.adjusted))
        bounds = ANYWHERE
    for op, bound in ((BEYOND, bounds.above), (WITHIN, bounds.upto)):
        if bound is not None:
            comparison = Compare(used, op, bound)
            clauses.append(absent_or(comparison) if HOLDS[op](ZERO, bound) and not term.carries else comparison)
    if term.carries and not clauses:
        clauses.append(Present(used))
    clauses += [_not_grown(cell_image.used_name(counter), seen) for counter, seen in term.beside]
    if not term.tiers:
        return clauses
    if clauses and term.moves_with_the_limit:
        raised = ((cell_image.CARRIED, expected.carried), (cell_image.ADJUSTED, expected.adjusted))
        clauses += [as_seen(cell_image.window_name(kind, term.counter), by) for kind, by in raised]
    grace = cell_image.window_name(cell_image.GRACE, term.counter)
    if term.graced:
        assert expected.grace_since is not None
        clauses.append(absent_or(Compare(grace, ">", expected.grace_since)))
    elif expected.grace_over and expected.grace_since is not None:
        clauses.append(Compare(grace, "<=", expected.grace_since))
    return clauses


def _not_grown(name: str, seen: Decimal | None) -> Condition:
    return Absent(name) if seen is None else Compare(name, "<=", seen)


def _room_in_rate(term: RateTerm) -> Condition:
    previous, current = cell_image.rated_name(term.previous), cell_image.rated_name(term.current)
    alternatives: list[Condition] = []
    for alternative in term.alternatives:
        earlier = absent_or(Compare(previous, "<=", alternative.previous_max))
        if alternative.current_max is None:
            alternatives.append(All((Absent(current), earlier)))
        else:
            alternatives.append(All((earlier, absent_or(Compare(current, "<=", alternative.current_max)))))
    return Any(tuple(alternatives))


def _receipt_put(key: Key, receipt: Receipt) -> Put:
    """Put the receipt if absent.

    A receipt that has expired by the clock counts as absent, even before TTL deletes it.
    """
    return Put(
        key=key,
        item={
            "fingerprint": receipt.fingerprint,
            "decision_id": receipt.decision_id,
            "amount": receipt.amount,
            "decided_at": receipt.decided_at,
            "windows": compact([[*window[:3], _plain_or_none(window.limit)] for window in receipt.windows]),
            "expires_at": (receipt.decided_at + RECEIPT_KEPT) // SECOND,
        },
        condition=absent_or(Compare("expires_at", "<=", receipt.decided_at // SECOND)),
    )


def _receipt_of(item: Item) -> Receipt:
    amount = item.get("amount")
    if not isinstance(amount, Decimal):
        raise InvariantBroken("a consume receipt must have an amount")
    return Receipt(
        fingerprint=items.text(item, "fingerprint"),
        decision_id=items.text(item, "decision_id"),
        amount=amount,
        decided_at=items.integer(item, "decided_at"),
        windows=tuple(
            KeptWindow(ordinal, start, end, None if limit is None else Decimal(limit))
            for ordinal, start, end, limit in json.loads(items.text(item, "windows"))
        ),
    )


def _plain_or_none(quantity: Decimal | None) -> str | None:
    return None if quantity is None else plain(quantity)


def suspending(cell: CellName, suspension: TierSuspension, entry: CellEntry, others_grant: Condition) -> CellWrite:
    """Return the write that suspends by this name.

    It is refused if the suspension exists, usage is below the tier by now, or another limit denies.
    """
    name = cell_image.suspended_name(suspension.name)
    enough = Compare(cell_image.used_name(suspension.counter), ">=", suspension.at_least)
    reached: Condition = absent_or(enough) if suspension.unopened else enough
    waived = cell_image.waived_text(suspension.waived) or None
    changes = (Set(name, suspension.until), Set(cell_image.cause_name(suspension.name), cause_text(suspension.cause)))
    clauses = (
        absent_or(Compare(name, "<=", suspension.terms.now)),
        absent_or(Compare(cell_image.VERSION, "<=", suspension.terms.version)),
        absent_or(Compare(cell_image.FLOOR, "<", suspension.over)),
        as_seen(cell_image.window_name(cell_image.WAIVED, suspension.counter), waived),
        reached,
        others_grant,
    )
    return CellWrite(cell, changes, entry, All(clauses))


def marking(cell: CellName, counter: CounterName, over: Instant, entry: CellEntry) -> CellWrite:
    """Return the write that marks the window's first denial.

    It is refused if marked already, or after the window's removal.
    """
    name = cell_image.window_name(cell_image.DENIED, counter)
    unmarked = All((Absent(name), absent_or(Compare(cell_image.FLOOR, "<", over))))
    return CellWrite(cell, (Set(name, entry.time),), entry, unmarked)
