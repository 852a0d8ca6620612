"""Settling decisions, adjusting limits, resetting usage.

Read first: `settle.settle`, `adjustments.adjust`, `resets.reset_usage`.
"""
