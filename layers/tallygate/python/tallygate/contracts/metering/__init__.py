"""Events as they come in, and the result of each.

Read first: `ingest.read_events`.
"""
