"""Appending to the journal, applying it to totals, and finding decisions in it.

Read first: `append.append`, `find_decision.find_decision`, `ports.JournalStore`.
"""
