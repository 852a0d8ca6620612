"""Periods: when a recurrence begins a window and ends it, in any time zone.

Decides boundaries of calendar, anchored, rolling and first-use periods, and what a change of zone or anchor does to the
running window. Boundary: pure arithmetic over time; nothing is counted here.

Read first: `recurrence.window_at`, `recurrence.Schedule`, `boundaries.Grid`.
"""
