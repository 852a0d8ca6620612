"""Scopes of API keys: what a key may be used for."""

from __future__ import annotations

INGEST, CHECK, READ, MANAGE = "ingest", "check", "read", "manage"
SCOPES = (INGEST, CHECK, READ, MANAGE)
