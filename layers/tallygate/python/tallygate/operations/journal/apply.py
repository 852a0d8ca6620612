"""apply: writes what journal records add to totals and usage, strictly in order, each once.

    head of another caller ──> records after its `applied` ──> targets' numbers ──> write those that lag
    own records             ─────────────────────────────────────────────────────> write all

A target's number says which records it has, so repeating changes nothing. Every call brings the journal up to its head
before it appends. So a call that died after its append is completed by the next call or by its own repetition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tallygate.domain.journal.fold import TotalChange, changes_of
from tallygate.domain.journal.records import Head, Record
from tallygate.operations.base.each import Each
from tallygate.operations.journal.ports import JournalStore, TargetChange, TotalStore


def catch_up(
    journal: JournalStore,
    totals: TotalStore,
    owner: str,
    head: Head,
    *,
    each: Each,
    lagging: Sequence[TargetChange] | None = None,
) -> Head:
    """Apply the records that the head does not show as applied. Return the head after it.

    lagging: the changes of the head's newest record that its targets lack, if this record alone is open and they were
        read
    """
    if head.applied >= head.number:
        return head
    if head.newest is not None and head.applied + 1 == head.number:
        records = [head.newest]
    else:
        # After a long idle time, records expire in any order. What is left may still be open.
        records = list(journal.records(owner, head.applied, head.number, expiring=head.begins is not None))
        lagging = None
    missing = [lagging] if lagging is not None else totals.lagging(records)
    for record, changes in zip(records, missing, strict=True):
        _write(totals, record, changes, each)
    return _all_applied(journal, owner, head)


def apply(
    journal: JournalStore, totals: TotalStore, owner: str, head: Head, appended: Sequence[Record], *, each: Each
) -> Head:
    """Apply the records that were just appended up to the head. Return the head after it.

    The targets of one record are independent of each other. The next record waits until all have been written.
    """
    for record in appended:
        _write(totals, record, changes_of(record).every, each)
    return _all_applied(journal, owner, head)


def _all_applied(journal: JournalStore, owner: str, head: Head) -> Head:
    journal.applied(owner, head.number)
    return replace(head, applied=head.number)


def _write(totals: TotalStore, record: Record, changes: Sequence[TargetChange], each: Each) -> None:
    if not changes:
        return
    customer, number = record.named, record.number

    def write(change: TargetChange) -> None:
        if isinstance(change, TotalChange):
            totals.add_to_total(customer, change, number)
        else:
            totals.add_to_usage(customer, change, number)

    each(write, changes)
