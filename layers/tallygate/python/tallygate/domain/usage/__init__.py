"""Usage: sums over time, windows and groups, and the list of events.

Boundary: answers queries from what the journal added up; decides nothing about admission or billing.

Read first: `queries.UsageQuery`, `queries.rows_of`, `events.EventRow`.
"""
