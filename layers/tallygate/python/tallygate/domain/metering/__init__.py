"""Metering: what an event adds to each meter, or why a meter does not count it.

Decides filters, values, dimensions, warnings and rejections. Boundary: limits are unknown here; `limits` and `journal`
decide under which limits an event counts.

Read first: `meters.measure`, `judgement.judge`, `contributions.Contribution`.
"""
