"""The catalog: meters, features, plans and their limits as they are declared.

Decides what a declaration changes, what is immutable, and the declarative form of every entry. Boundary: nothing here
knows a customer; what a customer's limits come to is decided in `limits`.

Read first: `catalog.Plan`, `tiers.Tier`, `carryover.Carryover`.
"""
