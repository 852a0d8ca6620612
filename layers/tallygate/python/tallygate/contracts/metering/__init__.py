"""Incoming events, and the result of each.

Read first: `ingest.read_events`.
"""
