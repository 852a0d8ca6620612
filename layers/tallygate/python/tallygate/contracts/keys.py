"""API keys on the wire. The key itself is in one answer only: that of the POST that made it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema

from tallygate.contracts.fields import CustomerId, Text, Time, one_of
from tallygate.contracts.reading import Contract, broken
from tallygate.domain.api_keys import SCOPES, ApiKey
from tallygate.domain.instants import format_instant


def _different(scopes: list[str]) -> list[str]:
    if len(set(scopes)) < len(scopes):
        raise broken("repeated", "must name each scope once")
    return scopes


Scope = Annotated[str, one_of(SCOPES, ("read",)), WithJsonSchema({"enum": list(SCOPES)})]


class KeyBody(Contract):
    """A key to be made: for one customer only, if `customer` is given, and until `expires_at`."""

    name: Text
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(SCOPES)), AfterValidator(_different)]
    customer: CustomerId | None = None
    expires_at: Time | None = None


def key_answer(key: ApiKey) -> dict[str, Any]:
    """What a key stands for, as JSON; never the key."""
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "customer": key.customer,
        "expires_at": format_instant(key.expires_at) if key.expires_at is not None else None,
        "created_at": format_instant(key.created_at),
    }
