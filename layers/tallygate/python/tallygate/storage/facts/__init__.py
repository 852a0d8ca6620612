"""Facts and their sequence, closed totals, adjustments, the audit trail.

Read first: `outbox.put_fact`, `closings.Closings`, `audits.put_audit`.
"""
