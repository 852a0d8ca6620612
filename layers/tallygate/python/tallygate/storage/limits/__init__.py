"""The stored limits in force, and their former versions.

Read first: `versions.effective_of`, `versions.former_limits`.
"""
