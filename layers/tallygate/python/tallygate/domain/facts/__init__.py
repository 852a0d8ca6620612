"""Facts: the events that Tallygate sends to webhooks and the event bus.

Decides levels and their crossings, the closing of periods and its figures, the facts of cells and of the audit trail,
and the impact of an observing limit. Boundary: a fact states what happened; `delivery` delivers it.

Read first: `facts.Fact`, `facts.announcements`, `closing.statement`.
"""
