"""The common parts of all contracts: reading bodies and queries, fields, answers, routes.

Read first: `reading.read`, `fields`, `answers`.
"""
