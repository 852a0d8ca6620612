"""The stored form of entries, the write of a cell, and totals as items.

Read first: `entries.ENTRIES`, `writes.CellWrite`, `totals.total_of`.
"""
