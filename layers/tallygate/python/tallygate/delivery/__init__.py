"""The delivery layer: sends outgoing events to webhooks and the event bus, and calls SQS, SSM and Lambda.

Boundary: `domain.delivery.deliveries` and `domain.delivery.timetable` decide which attempt is due and what its outcome
means. This layer makes one attempt. It reads no table and takes no decision. Every class receives a boto3 client from
the composition root.

Read first: `Courier` (one attempt to one receiver), `Sender` (one HTTP POST), `body_of` (the bytes that are sent).
"""
