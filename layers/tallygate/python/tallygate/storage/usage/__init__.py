"""Usage and events, read.

Read first: `queries.Usage`, `events.EventLog`.
"""
