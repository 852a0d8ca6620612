"""Adjustments, resets and settlements.

Read first: `corrections.adjustment_answer`.
"""
