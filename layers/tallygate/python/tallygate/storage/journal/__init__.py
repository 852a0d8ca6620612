"""The journal's records, the totals and usage that follow from them, and what the cells learn of both.

Read first: `records.Journal`, `totals.Totals`, `bring_in.CellEvents`.
"""
