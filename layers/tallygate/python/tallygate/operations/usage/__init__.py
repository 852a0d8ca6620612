"""Answering queries of usage, events and the audit trail.

Read first: `queries.usage`, `events.list_events`, `ports.UsageStore`.
"""
