"""Appends to the journal, applies it to totals, finds decisions in it, and appends what the stream lost.

Read first: `append.append`, `find_decision.find_decision`, `ports.JournalStore`.
"""
