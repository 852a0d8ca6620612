"""Customers, subscriptions and API keys.

Read first: `customers`, `keys`.
"""
