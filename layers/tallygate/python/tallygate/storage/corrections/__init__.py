"""Writes to cells by hand: resumes, adjustments, resets.

Read first: `controls.CellControls`, `resets.CellResets`.
"""
