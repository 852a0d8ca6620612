"""Cells: the one write that decides, with every clause of its condition named.

Read first: `cells.Cells`, `cell_image.cell_of`, `openings.opening_changes`.
"""
