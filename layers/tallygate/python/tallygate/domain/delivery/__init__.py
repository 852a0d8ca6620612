"""Delivery: endpoints, deliveries, and when a failed delivery is tried again.

Boundary: no HTTP here; the layer `delivery` sends.

Read first: `deliveries.Delivery`, `timetable.delay_before`, `addresses.permitted`.
"""
