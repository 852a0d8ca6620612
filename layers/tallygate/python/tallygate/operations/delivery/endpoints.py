"""Webhook endpoints: register, list, read, remove, give another secret, and see what was delivered to one.

A new endpoint receives the facts that are announced from now on; a deleted one gets no further attempt, also of
deliveries that are under way.

    register   keep the secret ──> commit the endpoint, which names it
    rotate     keep the new secret in the other slot ──> commit, if the endpoint's secrets are what was seen
    delete     disable ──> remove the secrets ──> delete the endpoint

A secret is always kept before anything names it, so a crash between the two leaves one that nothing signs with and
nobody was shown. Each step of a deletion may be repeated, so the caller's retry ends what a crash began.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from tallygate.domain.base.instants import Instant
from tallygate.domain.delivery.deliveries import SLOTS, Delivery, Endpoint, SigningSecret
from tallygate.domain.facts.audits import ENDPOINT_CREATED, ENDPOINT_DELETED, ENDPOINT_ROTATED, Audit, Author
from tallygate.errors import NotFound
from tallygate.operations.base.receipts import Planned
from tallygate.operations.delivery.ports import EndpointStore
from tallygate.operations.facts.ports import AuditStore

SECRET = "secret"  # noqa: S105  # the name of the field
DELETING = "it is being deleted"

ShownEndpoint = Callable[[Endpoint], dict[str, object]]
"""An endpoint as an answer shows it, without a secret."""


class SecretKeeper(Protocol):
    """Where secrets are kept, by endpoint and slot. Whoever keeps them cannot read them."""

    def keep(self, endpoint_id: str, slot: str, text: str) -> int:
        """Keep a secret, beside what the slot held before; its version, from 1 on. Raises StoreUnavailable."""

    def remove(self, endpoint_id: str) -> None:
        """Remove whatever the endpoint's slots hold. Repeating it changes nothing. Raises StoreUnavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What a change of endpoints writes."""

    endpoints: EndpointStore
    secrets: SecretKeeper
    audits: AuditStore


def register_endpoint(stores: Stores, endpoint: Endpoint, secret: str, shown: ShownEndpoint, *, by: Author) -> Planned:
    """The plan of a POST (see `operations.base.receipts`): the endpoint, and an answer that shows its secret once."""
    version = stores.secrets.keep(endpoint.id, SLOTS[0], secret)
    made = replace(endpoint, secrets=(SigningSecret(slot=SLOTS[0], version=version),))
    entry = _entry(by, ENDPOINT_CREATED, made, after=_told(made))
    moves = (*stores.endpoints.create(made), *stores.audits.record(entry))
    return Planned(moves=moves, body={**shown(made), SECRET: secret}, secrets=frozenset((SECRET,)))


def rotate_endpoint(
    stores: Stores, endpoint_id: str, secret: str, shown: ShownEndpoint, *, overlap: Instant, by: Author
) -> Planned:
    """The plan of a POST: the endpoint signs with the new secret from now on, and with the one before for the overlap.

    Raises NotFound.
    """
    seen = read_endpoint(stores.endpoints, endpoint_id)
    version = stores.secrets.keep(seen.id, seen.spare_slot, secret)
    rotated = replace(seen, secrets=seen.rotated(version, now=by.at, overlap=overlap))
    entry = _entry(by, ENDPOINT_ROTATED, seen, before=_told(seen), after=_told(rotated))
    return Planned(
        moves=(*stores.endpoints.replace_secrets(seen, rotated.secrets), *stores.audits.record(entry)),
        body={**shown(rotated), SECRET: secret},
        status=200,
        secrets=frozenset((SECRET,)),
    )


def list_endpoints(store: EndpointStore, *, after: str | None, limit: int) -> tuple[tuple[Endpoint, ...], str | None]:
    """A page of endpoints in order of their ids, and where to go on."""
    return store.page(after=after, limit=limit)


def read_endpoint(store: EndpointStore, endpoint_id: str) -> Endpoint:
    """One endpoint. Raises NotFound."""
    endpoint = store.endpoint(endpoint_id)
    if endpoint is None:
        raise _unknown(endpoint_id)
    return endpoint


def delete_endpoint(stores: Stores, endpoint_id: str, *, by: Author) -> None:
    """Remove an endpoint and its secrets. Raises NotFound, also the second time."""
    endpoint = read_endpoint(stores.endpoints, endpoint_id)
    entry = _entry(by, ENDPOINT_DELETED, endpoint, before=_told(endpoint))
    stores.endpoints.disable(endpoint_id, DELETING)
    stores.secrets.remove(endpoint_id)
    if not stores.endpoints.delete(endpoint_id, beside=stores.audits.record(entry)):
        raise _unknown(endpoint_id)


def list_deliveries(
    store: EndpointStore, endpoint_id: str, *, after: str | None, limit: int
) -> tuple[tuple[tuple[str, Delivery], ...], str | None]:
    """The endpoint's deliveries, newest first, each with its fact's type. Raises NotFound."""
    read_endpoint(store, endpoint_id)
    return store.deliveries(endpoint_id, after=after, limit=limit)


def _told(endpoint: Endpoint) -> dict[str, Any]:
    """What the audit trail keeps of an endpoint: never its secrets."""
    return {"url": endpoint.url, "events": list(endpoint.events), "scheme": endpoint.scheme}


def _entry(
    by: Author,
    action: str,
    endpoint: Endpoint,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> Audit:
    return by.entry(action, {"endpoint": endpoint.id}, before=before, after=after)


def _unknown(endpoint_id: str) -> NotFound:
    return NotFound(f"there is no webhook endpoint {endpoint_id[:100]}", code="endpoint_not_found")
