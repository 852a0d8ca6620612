"""Reads of usage and events.

Read first: `queries.UsageReader`, `events.EventLog`.
"""
