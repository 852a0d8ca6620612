"""The catalog as it is declared: windows, tiers, limits, plans.

Read first: `catalog.read_catalog`, `limits`, `tiers`.
"""
