"""Cells: the single write that decides, with a name for every clause of its condition.

Read first: `cells.Cells`, `cell_image.cell_of`, `openings.opening_changes`.
"""
