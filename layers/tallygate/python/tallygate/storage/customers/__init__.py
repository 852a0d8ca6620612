"""Stored customers with their subscriptions, and API keys.

Read first: `customers.Customers`, `api_keys.ApiKeys`.
"""
