"""The journal's records, the totals and usage that they add up to, and the updates of cells that follow.

Read first: `records.Journal`, `totals.Totals`, `bring_in.CellEvents`.
"""
