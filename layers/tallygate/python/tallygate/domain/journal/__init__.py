"""The journal: everything that happened to one customer, and what it adds up to.

Decides which stream records are new, whether a record proves itself, and what each entry adds to totals and usage.
Boundary: a pure function of records; whoever repeats it gets the same.

Read first: `records.Record`, `fold.changes_of`, `proof.disproved`.
"""
