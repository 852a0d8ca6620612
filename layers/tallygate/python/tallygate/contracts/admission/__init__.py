"""Requests and answers of check and consume.

Read first: `check.Ask`, `check.decision_answer`, `explanations`.
"""
