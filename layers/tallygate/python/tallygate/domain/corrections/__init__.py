"""Corrections: settlements, adjustments of a limit, and manual resets of usage.

Decides what each correction changes in the windows of a cell. Boundary: billing follows from the journal entries that
the corrections write.

Read first: `settlements.Settlement`, `adjusting.cell_adjustment`, `resets.resets`.
"""
