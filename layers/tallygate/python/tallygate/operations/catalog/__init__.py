"""Declares the catalog, in as many transactions as it needs.

Read first: `catalog.declare_catalog`, `ports.CatalogStore`.
"""
