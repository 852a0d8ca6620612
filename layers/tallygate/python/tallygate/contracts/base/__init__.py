"""What every contract is made of: reading bodies and queries, fields, answers, routes.

Read first: `reading.read`, `fields`, `answers`.
"""
