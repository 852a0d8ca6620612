"""Outgoing events: the contract of each type, for webhooks and the event bus, and closed periods.

Read first: `events.EVENTS`, `events.About`, `statements.Statement`.
"""
