"""Stores events: each once, judged by the catalog, with a result for every event.

Read first: `ingest.ingest`, `ports.EventStore`.
"""
