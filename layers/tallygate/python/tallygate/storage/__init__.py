"""Stored items and their reads and writes. Keys, items and expressions are pure.

Only `base.dynamo` calls DynamoDB; `base.memory` replaces it in tests.
"""
