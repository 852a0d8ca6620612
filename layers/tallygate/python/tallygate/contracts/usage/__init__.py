"""Queries for usage, events, impact and the audit trail.

Read first: `usage.read_usage`, `usage.usage_answer`.
"""
