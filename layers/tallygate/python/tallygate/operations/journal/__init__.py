"""Appends to the journal, applies it to totals, and finds decisions in it.

Read first: `append.append`, `find_decision.find_decision`, `ports.JournalStore`.
"""
