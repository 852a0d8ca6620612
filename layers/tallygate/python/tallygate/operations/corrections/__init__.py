"""Settles decisions, adjusts limits, and resets usage.

Read first: `settle.settle`, `adjustments.adjust`, `resets.reset_usage`.
"""
