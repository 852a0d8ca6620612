"""The journal: everything that happened to one customer, and the sums that follow from it.

Decides which stream records are new, whether a record proves itself, and what each entry adds to totals and usage.
Boundary: pure functions of records; repeating them gives the same result.

Read first: `records.Record`, `fold.changes_of`, `proof.disproved`.
"""
