"""The catalog's items, and the features in the form that decisions need.

Read first: `catalog.Catalogs`, `features.sold_feature_at`.
"""
