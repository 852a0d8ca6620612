"""Admission: what may be consumed now, decided on the counters of one cell.

This package decides:
- the terms of a write: what must hold for a request to be granted
- why a write was refused, and whether a tier suspends usage
- what a decision states, in numbers and in words

Boundary: pure. `storage.admission` makes the conditional write. The journal states what was consumed, for billing.

Read first: `terms.Terms`, `decide.refusal`, `cells.Cell`.
"""
