"""Declaring the catalog, in as many transactions as it takes.

Read first: `catalog.declare_catalog`, `ports.CatalogStore`.
"""
