"""Marks of manual resets: which decisions of a window count against its limit no more.

    revisions of the cell   1 ─ 2 ─ 3 ─ 4 ─┤reset├─ 6 ─ 7        now: all up to 4, whatever their clocks said
                            1 ─ 2 ─ 3 ─ 4 ─ 5 ─ 6 ─┤reset├─ 8    as of 10:00: those up to 6 from before 10:00

A settlement of such a decision corrects what is billed, and nothing that is enforced. Marks only grow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tallygate.domain.base.instants import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetMark:
    """Excluded is what the cell wrote up to the revision `upto`; up to `partly`, what was decided before `before`."""

    upto: int = 0
    partly: int = 0
    before: Instant = 0

    def covers(self, revision: int, time: Instant) -> bool:
        """Whether a decision that the cell wrote at this revision is excluded."""
        return revision <= self.upto or (revision <= self.partly and time < self.before)

    def grown(self, upto: int, before: Instant | None) -> ResetMark:
        """The mark after another reset: of all up to a revision, or of what was decided before an instant."""
        if before is None:
            return ResetMark(upto=upto)
        assert upto >= max(self.upto, self.partly) and before >= self.before, (
            "a later reset excludes all that an earlier one did"
        )
        return replace(self, partly=upto, before=before)


NO_RESET = ResetMark()


def mark_text(mark: ResetMark) -> str:
    """A mark as a cell keeps it: `4`, or `0,6@1767261600000`."""
    return f"{mark.upto},{mark.partly}@{mark.before}" if mark.partly else f"{mark.upto}"


def mark_of(text: str) -> ResetMark:
    upto, _, rest = text.partition(",")
    partly, _, before = rest.partition("@")
    return ResetMark(upto=int(upto), partly=int(partly or 0), before=int(before or 0))
