"""Stored endpoints, deliveries and announced facts.

Read first: `facts.Facts`, `deliveries.Deliveries`, `endpoints.Endpoints`.
"""
