"""Requests and answers of check and consume.

Read first: `questions.Question`, `check.decision_answer`, `explanations`.
"""
