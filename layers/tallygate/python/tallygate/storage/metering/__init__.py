"""Events, each stored once; rejections; what events are judged by.

Read first: `events.Events`, `rules.read_meters`.
"""
