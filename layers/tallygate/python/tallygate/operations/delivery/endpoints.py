"""Webhook endpoints: register, list, read, remove, rotate the secret, and list deliveries.

A new endpoint receives facts announced from now on. A deleted endpoint gets no further attempt, even for deliveries
that have begun.

    register   keep the secret ──> commit the endpoint, which names it
    rotate     keep the new secret in the other slot ──> commit, if the endpoint's secrets are what was seen
    delete     disable ──> remove the secrets ──> delete the endpoint

A secret is always stored before an endpoint names it. So a crash between the two leaves a secret that signs nothing and
was never shown. Each step of a deletion may be repeated, so the caller's retry completes a crashed deletion.
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
"""Returns the answer's form of an endpoint, without a secret."""


class SecretKeeper(Protocol):
    """The store of secrets, by endpoint and slot. It writes secrets and cannot read them."""

    def keep(self, endpoint_id: str, slot: str, text: str) -> int:
        """Store a secret as a new version of its slot; earlier versions stay. Return the version, from 1 on.

        Raises StoreUnavailable.
        """

    def remove(self, endpoint_id: str) -> None:
        """Remove all secrets of the endpoint. Repeating it changes nothing. Raises StoreUnavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The stores that a change of endpoints writes."""

    endpoints: EndpointStore
    secrets: SecretKeeper
    audits: AuditStore


def register_endpoint(stores: Stores, endpoint: Endpoint, secret: str, shown: ShownEndpoint, *, by: Author) -> Planned:
    """Plan a POST (see `operations.base.receipts`) that adds an endpoint. Its answer shows the secret once."""
    version = stores.secrets.keep(endpoint.id, SLOTS[0], secret)
    made = replace(endpoint, secrets=(SigningSecret(slot=SLOTS[0], version=version),))
    entry = _entry(by, ENDPOINT_CREATED, made, after=_audit_form(made))
    moves = (*stores.endpoints.create(made), *stores.audits.record(entry))
    return Planned(moves=moves, body={**shown(made), SECRET: secret}, secrets=frozenset((SECRET,)))


def rotate_endpoint(
    stores: Stores, endpoint_id: str, secret: str, shown: ShownEndpoint, *, overlap: Instant, by: Author
) -> Planned:
    """Plan a POST that gives the endpoint a new secret. For the overlap, the endpoint signs with the earlier one too.

    Raises NotFound.
    """
    seen = read_endpoint(stores.endpoints, endpoint_id)
    version = stores.secrets.keep(seen.id, seen.spare_slot, secret)
    rotated = replace(seen, secrets=seen.rotated(version, now=by.at, overlap=overlap))
    entry = _entry(by, ENDPOINT_ROTATED, seen, before=_audit_form(seen), after=_audit_form(rotated))
    return Planned(
        moves=(*stores.endpoints.replace_secrets(seen, rotated.secrets), *stores.audits.record(entry)),
        body={**shown(rotated), SECRET: secret},
        status=200,
        secrets=frozenset((SECRET,)),
    )


def list_endpoints(store: EndpointStore, *, after: str | None, limit: int) -> tuple[tuple[Endpoint, ...], str | None]:
    """Return a page of endpoints in order of their ids, and the next page's cursor."""
    return store.page(after=after, limit=limit)


def read_endpoint(store: EndpointStore, endpoint_id: str) -> Endpoint:
    """Return an endpoint. Raises NotFound."""
    endpoint = store.endpoint(endpoint_id)
    if endpoint is None:
        raise _unknown(endpoint_id)
    return endpoint


def delete_endpoint(stores: Stores, endpoint_id: str, *, by: Author) -> None:
    """Remove an endpoint and its secrets. Raises NotFound, also for a repeated call."""
    endpoint = read_endpoint(stores.endpoints, endpoint_id)
    entry = _entry(by, ENDPOINT_DELETED, endpoint, before=_audit_form(endpoint))
    stores.endpoints.disable(endpoint_id, DELETING)
    stores.secrets.remove(endpoint_id)
    if not stores.endpoints.delete(endpoint_id, beside=stores.audits.record(entry)):
        raise _unknown(endpoint_id)


def list_deliveries(
    store: EndpointStore, endpoint_id: str, *, after: str | None, limit: int
) -> tuple[tuple[tuple[str, Delivery], ...], str | None]:
    """Return the endpoint's deliveries, newest first, each with its fact's type. Raises NotFound."""
    read_endpoint(store, endpoint_id)
    return store.deliveries(endpoint_id, after=after, limit=limit)


def _audit_form(endpoint: Endpoint) -> dict[str, Any]:
    """The form of an endpoint in the audit trail, which never holds a secret."""
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
