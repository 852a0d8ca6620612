"""Shared parts of all operations: concurrency, receipts of requests, and look-up of customers.

Read first: `receipts.once`, `each.Each`, `known_customers.customer`.
"""
