"""Periods: when the windows of a recurrence begin and end, in any time zone.

Decides the boundaries of calendar, anchored, rolling and first-use periods, and how a change of zone or anchor affects
the running window. Boundary: pure arithmetic over time; usage is counted elsewhere.

Read first: `recurrence.window_at`, `recurrence.Schedule`, `boundaries.Grid`.
"""
