"""Answers queries of usage and events.

Read first: `queries.usage`, `events.list_events`, `ports.UsageStore`.
"""
