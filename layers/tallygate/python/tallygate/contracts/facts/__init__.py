"""Outgoing events: the contract of each type, for webhooks and the event bus, and closed periods.

Read first: `events.DATA`, `events.About`, `statements.Statement`.
"""
