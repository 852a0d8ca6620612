"""Facts: what is announced to webhooks and the event bus.

Decides levels and their crossings, the closing of periods and its figures, facts of cells and of the audit trail, and
the impact of an observing limit. Boundary: a fact states what happened; delivering it is `delivery`.

Read first: `facts.Fact`, `facts.announcements`, `closing.statement`.
"""
