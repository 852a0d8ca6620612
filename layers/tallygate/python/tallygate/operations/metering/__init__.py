"""Storing events: each once, judged by the catalog, with a result for every one.

Read first: `ingest.ingest`, `ports.EventStore`.
"""
