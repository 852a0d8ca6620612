"""Numbers and time: exact quantities, the one decimal context, JSON without floats, instants.

Boundary: no units, no periods, no product rules. A quantity has at most 18 integer and 9 fractional digits.

Read first: `quantities.parse_quantity`, `exact.EXACT`, `instants.Instant`.
"""
