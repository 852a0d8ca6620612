"""Sends facts to endpoints and the event bus.

Read first: `deliver.deliver`, `dispatch.dispatch`, `ports.DeliveryStore`.
"""
