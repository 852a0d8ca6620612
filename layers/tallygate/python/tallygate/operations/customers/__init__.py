"""Changing customers: profile, subscription, own limits, suspensions, keys, and the audit trail.

Read first: `customers.put_customer`, `suspensions.suspend`, `ports.CustomerStore`.
"""
