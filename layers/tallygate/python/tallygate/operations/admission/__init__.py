"""Decides requests: check, consume, entitlements.

Read first: `consume.consume`, `attempts.Attempt`, `ports.AdmissionStore`.
"""
