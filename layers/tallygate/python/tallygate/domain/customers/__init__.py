"""Customers: profiles, subscriptions and API keys.

Decides the effect of a change to a customer or its plan, and the rights of an API key. Boundary: `limits` compiles the
limits that follow from a subscription.

Read first: `customers.CustomerRecord`, `subscriptions.subscribed`, `api_keys.ApiKey`.
"""
