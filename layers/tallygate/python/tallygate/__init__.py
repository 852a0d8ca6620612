"""Tallygate's shared layer: domain rules, wire contracts, operations and storage of the Lambda functions."""

__version__ = "0.1.0"
