"""The catalog: meters, features, plans and their limits as the vendor declares them.

Decides what a declaration changes, what is immutable, and the declarative form of every entry. Boundary: customers are
unknown here; `limits` decides the limits of a customer.

Read first: `catalog.Plan`, `tiers.Tier`, `carryover.Carryover`.
"""
