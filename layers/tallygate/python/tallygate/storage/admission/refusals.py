"""What a refused consume leaves in its cell: nothing counted, but a suspension, or the mark of a window's first denial.

    sus, sus.<ordinal>     until when usage is suspended      sb, sb.<ordinal>   by which tier
    d.<ordinal>.<start>    when the window's first denial was marked

Both say so in the cell's journal entry, from which the facts are made. The condition of a suspension holds what the
refusal was: without it, usage could be suspended that a settlement or a raised limit has just let through again, or
by a request that another limit denies by now.
"""

from __future__ import annotations

from tallygate.domain.admission.tier_causes import cause_text
from tallygate.domain.admission.tier_suspensions import TierSuspension
from tallygate.domain.base.instants import Instant
from tallygate.domain.entries.entry import CellEntry
from tallygate.domain.limits.counters import CellName, CounterName
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.openings import as_seen
from tallygate.storage.base.expressions import Absent, All, Compare, Condition, Set, absent_or
from tallygate.storage.entries.writes import CellWrite


def suspending(cell: CellName, suspension: TierSuspension, entry: CellEntry, others_grant: Condition) -> CellWrite:
    """Suspend by this name, unless that is done, usage lies below the tier by now, or another limit denies."""
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
    """Mark the window's first denial, unless it is marked, or over and removed."""
    name = cell_image.window_name(cell_image.DENIED, counter)
    unmarked = All((Absent(name), absent_or(Compare(cell_image.FLOOR, "<", over))))
    return CellWrite(cell, (Set(name, entry.time),), entry, unmarked)
