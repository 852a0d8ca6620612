"""Webhook endpoints and their deliveries.

Read first: `endpoints`.
"""
