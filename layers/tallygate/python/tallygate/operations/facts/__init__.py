"""Announcing facts, and closing periods.

Read first: `announce.announce`, `closing.reset`, `ports.OutboxStore`.
"""
