"""Limits in force: what one customer may consume, compiled from its plan and its own limits.

This package decides:
- ordinals (the numbers in counter names), proration, rollover and overrides
- suspensions by operators
- the policy for each range of usage between two tier thresholds
- how many windows one cell can hold

Boundary: this package reads no counter. `admission` compares usage with limits.

Read first: `limits.Effective`, `compiled.compile_effective`, `rungs.landing`.
"""
