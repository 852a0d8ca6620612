"""The catalog on the wire: windows, tiers, limits, plans.

Read first: `catalog.read_catalog`, `limits`, `tiers`.
"""
