"""A customer's own limits, and suspensions.

Read first: `own_limits`, `suspensions`.
"""
