"""Stored facts and their sequence, closed totals, adjustments, and the audit trail.

Read first: `outbox.put_fact`, `closings.Closings`, `audits.put_audit`.
"""
