"""Adjustments, resets and settlements.

Read first: `settlements.settlement_answer`, `corrections.adjustment_answer`.
"""
