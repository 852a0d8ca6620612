"""Requests of check and consume, and what they answer.

Read first: `check.Ask`, `check.decision_answer`, `explanations`.
"""
