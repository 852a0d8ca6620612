"""Tallygate's shared layer: domain rules, wire contracts, operations and storage of the Lambda functions."""

from tallygate.domain.base import exact

__version__ = "0.1.0"

exact.install()
