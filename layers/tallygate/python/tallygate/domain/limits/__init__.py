"""Limits in force: what one customer may consume, compiled from its plan and its own limits.

Decides ordinals, proration, rollover, overrides, suspensions by operators, the policy that governs each stretch of
usage, and how much one cell can hold. Boundary: no counter is read here; `admission` compares usage with limits.

Read first: `limits.Effective`, `compiled.compile_effective`, `rungs.landing`.
"""
