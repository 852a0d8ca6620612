"""Customers: profiles, subscriptions and API keys.

Decides what a change of a customer or its plan does, and what an API key may do. Boundary: the limits that follow from
a subscription are compiled in `limits`.

Read first: `customers.CustomerRecord`, `subscriptions.subscribed`, `api_keys.ApiKey`.
"""
