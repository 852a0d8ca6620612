"""Metering: what an event adds to which meter, and why it does not.

Decides filters, values, dimensions, warnings and rejections. Boundary: an event says what happened; under which limits
it counts is decided in `limits` and `journal`.

Read first: `meters.measure`, `judgement.judge`, `contributions.Contribution`.
"""
