"""Admission: what may be consumed now, decided on the counters of one cell.

Decides what must hold for a request, why it is refused, what a tier suspends, and what a decision says of itself.
Boundary: pure; the conditional write itself is `storage.admission`. What was consumed for billing is the journal's.

Read first: `terms.Terms`, `decide.refusal`, `cells.Cell`.
"""
