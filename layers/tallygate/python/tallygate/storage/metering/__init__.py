"""Stored events and rejections, and the rules by which events are judged.

Read first: `events.Events`, `rules.read_meters`.
"""
