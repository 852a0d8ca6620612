"""The limits in force, and versions of them that are no longer.

Read first: `versions.effective_of`, `versions.former_limits`.
"""
