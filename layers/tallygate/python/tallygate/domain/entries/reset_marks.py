"""Marks of manual resets: which decisions of a window no longer count against its limit.

    revisions of the cell   1 ─ 2 ─ 3 ─ 4 ─┤reset├─ 6 ─ 7        now: all up to 4, whatever their clocks said
                            1 ─ 2 ─ 3 ─ 4 ─ 5 ─ 6 ─┤reset├─ 8    as of 10:00: those up to 6 from before 10:00

A settlement of an excluded decision corrects what is billed, and nothing that is enforced. Marks only grow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tallygate.domain.base.instants import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetMark:
    """The excluded decisions of one window.

    upto: decisions written by the cell up to this revision are excluded
    partly, before: up to the revision `partly`, decisions made before the instant `before` are excluded too
    """

    upto: int = 0
    partly: int = 0
    before: Instant = 0

    def covers(self, revision: int, time: Instant) -> bool:
        """Whether a decision is excluded that the cell wrote at this revision and that was made at this time."""
        return revision <= self.upto or (revision <= self.partly and time < self.before)

    def grown(self, upto: int, before: Instant | None) -> ResetMark:
        """The mark after another reset.

        upto: the cell's revision at the reset
        before: only decisions made before this instant are reset; None: all of them
        """
        if before is None:
            return ResetMark(upto=upto)
        assert upto >= max(self.upto, self.partly) and before >= self.before, (
            "a later reset excludes all that an earlier one did"
        )
        return replace(self, partly=upto, before=before)


NO_RESET = ResetMark()


def mark_text(mark: ResetMark) -> str:
    """The stored form of a mark: `4`, or `0,6@1767261600000`."""
    return f"{mark.upto},{mark.partly}@{mark.before}" if mark.partly else f"{mark.upto}"


def mark_of(text: str) -> ResetMark:
    """Parse the stored form that `mark_text` writes."""
    upto, _, rest = text.partition(",")
    partly, _, before = rest.partition("@")
    return ResetMark(upto=int(upto), partly=int(partly or 0), before=int(before or 0))
