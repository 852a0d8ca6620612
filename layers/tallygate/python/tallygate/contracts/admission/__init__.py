"""Requests and answers of check and consume.

Read first: `check.Question`, `check.decision_answer`, `explanations`.
"""
