"""The catalog's items, and features as decisions need them.

Read first: `catalog.Catalogs`, `features.sold_feature_at`.
"""
