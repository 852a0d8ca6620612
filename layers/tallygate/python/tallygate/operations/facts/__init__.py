"""Announces facts, closes periods, and lists them.

Read first: `announce.announce`, `closing.reset`, `ports.OutboxStore`.
"""
