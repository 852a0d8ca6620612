"""What every operation may use: several values at a time, receipts of requests, customers that must exist.

Read first: `receipts.once`, `each.Each`, `known_customers.customer`.
"""
