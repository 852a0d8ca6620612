"""The wire, one file per verb: names, sizes and defaults that a caller can see (API.md)."""
