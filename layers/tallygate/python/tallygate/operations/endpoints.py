"""Webhook endpoints: register, list, read, remove, and see what was delivered to one.

A new endpoint receives the facts that are announced from now on; a deleted one gets no further attempt, also of
deliveries that are under way.
"""

from __future__ import annotations

from typing import Any

from tallygate.control_store import AuditStore
from tallygate.domain.audits import ENDPOINT_CREATED, ENDPOINT_DELETED, Audit, Author
from tallygate.domain.deliveries import Delivery, Endpoint
from tallygate.errors import NotFound
from tallygate.operations.receipts import Planned
from tallygate.store import EndpointStore

SECRET = "secret"  # noqa: S105  # the name of the field


def register_endpoint(
    store: EndpointStore, audits: AuditStore, endpoint: Endpoint, answer: dict[str, object], *, by: Author
) -> Planned:
    """The plan of a POST (see `operations.receipts`): the endpoint, and an answer that shows its secret once."""
    return Planned(
        moves=(*store.create(endpoint), *audits.record(_entry(by, ENDPOINT_CREATED, endpoint, after=_told(endpoint)))),
        body={**answer, SECRET: endpoint.secrets[0]},
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


def delete_endpoint(store: EndpointStore, audits: AuditStore, endpoint_id: str, *, by: Author) -> None:
    """Remove an endpoint. Raises NotFound, also the second time."""
    endpoint = read_endpoint(store, endpoint_id)
    entry = _entry(by, ENDPOINT_DELETED, endpoint, before=_told(endpoint))
    if not store.delete(endpoint_id, beside=audits.record(entry)):
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
