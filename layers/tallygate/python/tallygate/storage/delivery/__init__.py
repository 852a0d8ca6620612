"""Endpoints and deliveries.

Read first: `facts.Facts`, `deliveries.Deliveries`, `endpoints.Endpoints`.
"""
