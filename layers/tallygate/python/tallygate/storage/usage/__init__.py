"""Usage and events, read.

Read first: `queries.UsageReader`, `events.EventLog`.
"""
