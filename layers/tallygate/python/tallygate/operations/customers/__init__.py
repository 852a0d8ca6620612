"""Changes customers: profile, subscription, own limits, suspensions and keys.

Lists the audit trail and moves the clock.

Read first: `customers.put_customer`, `suspensions.suspend`, `ports.CustomerStore`.
"""
