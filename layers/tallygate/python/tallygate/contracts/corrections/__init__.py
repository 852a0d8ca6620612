"""Adjustments, resets and settlements.

Read first: `corrections.settlement_answer`, `quotas.adjustment_answer`.
"""
