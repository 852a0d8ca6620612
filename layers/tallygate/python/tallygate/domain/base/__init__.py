"""Numbers and time: exact quantities, the one decimal context, JSON without floats, instants.

Boundary: no unit, no period, no rule of the product. A quantity has at most 18 integer and 9 fractional digits.

Read first: `quantities.parse_quantity`, `exact.EXACT`, `instants.Instant`.
"""
