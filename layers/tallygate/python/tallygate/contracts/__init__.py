"""The wire contracts: names, sizes, defaults and answers of the HTTP API, by subject.

Boundary: contracts read requests and shape answers; `domain` decides.
"""
