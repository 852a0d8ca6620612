"""Usage: sums over time, windows and groups, and the list of events.

Boundary: answers queries from the sums of the journal; does not affect admission or billing.

Read first: `queries.UsageQuery`, `queries.rows_of`, `events.EventRow`.
"""
