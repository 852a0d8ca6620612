"""Manual changes of cells: resumes, adjustments, resets.

Read first: `controls.CellControls`, `resets.CellResets`.
"""
