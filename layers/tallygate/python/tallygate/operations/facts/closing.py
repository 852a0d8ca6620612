"""reset: closes the windows that have ended. It defines no boundary, and a second run changes nothing.

    due totals ──> look at each again ──> fact ──one transaction──> TOTAL closed + OUTBOX + FEED
                                                     │ refused: look again, at most TRIES_MAX times
    crash before: nothing has happened;  crash after: the next run finds it closed

The write succeeds only if the total still is as stated. If usage is added in between, the closing looks again. Usage
added after the closing causes a restatement. Two parallel runs make a single closing: the fact's id is derived from the
total, and the first commit wins.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from tallygate.domain.base.instants import DAY, HOUR, MINUTE, Instant
from tallygate.domain.entries.total import Total
from tallygate.domain.facts.adjustments import adjustment_form
from tallygate.domain.facts.closing import (
    FIRST_REVISION,
    billed_to,
    closed_as,
    closing_id,
    end_of,
    is_closed,
    may_close,
    period_of,
    statement,
    trace_of,
)
from tallygate.domain.facts.facts import Fact
from tallygate.domain.facts.revisions import carried_out_of, layers_into, may_carry_out
from tallygate.domain.limits.counters import CountedWindow
from tallygate.domain.limits.governing import governed_in, last_in_force
from tallygate.domain.limits.limits import Effective
from tallygate.domain.metering.lateness import LATENESS_MAX
from tallygate.errors import StoreUnavailable, TallygateError
from tallygate.operations.facts.ports import ClosingStore, TotalName
from tallygate.operations.limits.at_end import Versions

DUE_SHARDS = 16
CLOSED_PER_SHARD_MAX = 100
CLOSED_MAX = DUE_SHARDS * CLOSED_PER_SHARD_MAX
"""Bounds the time of one run. The next run, a minute later, begins with what is left, the oldest first."""
TRIES_MAX = 3
ADJUSTMENTS_STATED_MAX = 50
"""Only the newest adjustments of a window are stated, because a fact has at most some ten KB.

The control plane lists all of them.
"""
FOLLOWED_POSTPONED = DAY
"""How often a window is looked at that holds only followed usage, while late usage may still arrive."""
POISON_POSTPONED = HOUR
"""A total that cannot be closed because of a defect makes room for others and is tried again every hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A total that could not be closed, with the error. The next run tries it again after a transient error."""

    total: TotalName
    error: TallygateError


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The result of one run."""

    closed: tuple[Fact, ...] = ()
    failures: tuple[Failure, ...] = ()
    contended: int = 0
    finished: bool = True

    @property
    def defect(self) -> TallygateError | None:
        """The first failure that a retry cannot fix."""
        return next((failure.error for failure in self.failures if not failure.error.retryable), None)


def reset(
    store: ClosingStore, *, now: Instant, grace: Instant, time_left: Callable[[], bool], most: int = CLOSED_MAX
) -> Run:
    """Close windows that ended by now − grace, oldest first in each of 16 shards.

    most: how many index entries one run looks at, 1 or more; bounds the time that a backlog takes

    CLOSED_PER_SHARD_MAX and `time_left` bound it too. Each minute begins with another shard, so no shard starves. A
    total that fails keeps no other total open.
    """
    closed: list[Fact] = []
    failures: list[Failure] = []
    contended = seen = 0
    for turn in range(DUE_SHARDS):
        shard = (now // MINUTE + turn) % DUE_SHARDS
        for name in store.due(shard, now - grace, CLOSED_PER_SHARD_MAX):
            seen += 1
            if seen > most or not time_left():
                return Run(closed=tuple(closed), failures=tuple(failures), contended=contended, finished=False)
            try:
                outcome = _close(store, name, now=now, grace=grace)
            except TallygateError as error:
                failures.append(Failure(total=name, error=error))
                if not error.retryable:
                    with suppress(StoreUnavailable):
                        store.look_again(name, at=now + POISON_POSTPONED)
                continue
            if isinstance(outcome, Fact):
                closed.append(outcome)
            elif not outcome:
                contended += 1
    return Run(closed=tuple(closed), failures=tuple(failures), contended=contended)


def _close(store: ClosingStore, name: TotalName, *, now: Instant, grace: Instant) -> Fact | bool:
    """Return the fact that closed the total; True: there was nothing to close; False: other writers won every try."""
    for _ in range(TRIES_MAX):
        total = store.total(name)
        if total is None:
            return True
        if not may_close(total, now=now, grace=grace):
            # The total is closed already, or never closes: the index need not name it. If its end has moved since it
            # was first counted, it is due at that end. Until then it takes no place from totals that have ended.
            store.look_again(name, at=total.end if total.end + grace > now else None)
            return True
        if total.followed_only:
            # The window has no usage of its own, so there is nothing to state, unless late usage comes.
            late = now < total.end + LATENESS_MAX
            store.look_again(name, at=now + FOLLOWED_POSTPONED if late else None)
            return True
        effective = store.effective(total.customer)
        total = _at_end(store, total, effective)
        if not is_closed(total.governed, total.start, total.end):
            store.look_again(name, at=None)
            return True
        total = replace(total, unit=store.unit(total.feature))
        total = _adjusted(store, _leaving(store, total, effective))
        fact = _fact(store, total, effective, now=now)
        if store.close(name, total, fact):
            return fact
    return False


def _at_end(store: ClosingStore, total: Total, effective: Effective | None) -> Total:
    """Return the total under the limit in force at its window's end, whatever limit it was counted under.

    If its quota was never in force in the window, the total keeps the limit that it was counted under: events may be
    older than the quota. One request where limits have changed since, or the quota was removed before.
    """
    if effective is None:
        return total
    end = end_of(total, effective)
    versions = Versions(store, effective, before=min(end, effective.since))
    limits = last_in_force(versions, total.ordinal, total.start, end)
    if limits is None:
        return total
    # A closing does not state what the next plan would allow, so it is not read.
    return replace(total, governed=governed_in(limits, CountedWindow(total.ordinal, total.start, end), {}))


def _leaving(store: ClosingStore, total: Total, effective: Effective | None) -> Total:
    """Return the total with the amount that its window carries out.

    One request where the total does not hold the layers carried in.
    """
    if not may_carry_out(total, effective):
        return total
    layers = layers_into(total)
    if layers is None:
        layers = store.cell(total.cell).layers.get((total.ordinal, total.start))
    return replace(total, layers=layers, carried_out=carried_out_of(total, effective, layers))


def _adjusted(store: ClosingStore, total: Total) -> Total:
    """Return the total with its window's adjustments. One request where its limit can be adjusted."""
    if total.governed.name != total.feature:
        return total
    found = store.adjustments(total.customer, total.feature, total.end, ADJUSTMENTS_STATED_MAX)
    return replace(
        total, adjustments=tuple(adjustment_form(each) for each in found if each.of(total.ordinal, total.start))
    )


def _fact(store: ClosingStore, total: Total, effective: Effective | None, *, now: Instant) -> Fact:
    named = closing_id(total)
    return Fact(
        id=named,
        type=closed_as(total.governed),
        customer=total.customer,
        feature=total.feature,
        time=now,
        sequence=store.sequence(total.customer, total.feature) + 1,
        data=statement(
            total,
            period=period_of(total, effective),
            stripe_customer_id=billed_to(total, effective),
            revision=FIRST_REVISION,
        ),
        traceparent=trace_of(named),
    )
