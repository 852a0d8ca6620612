"""Announces limits to cells, and lets usage follow a change of plan.

Read first: `in_force.announce_limits`, `follow_usage.with_followed`, `ports.VersionStore`.
"""
