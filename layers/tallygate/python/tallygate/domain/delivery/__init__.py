"""Delivery: webhook endpoints, deliveries, and the retry schedule.

Boundary: no HTTP here; the layer `delivery` sends.

Read first: `deliveries.Delivery`, `timetable.delay_before`, `addresses.permitted`.
"""
