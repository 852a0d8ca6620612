"""Handlers of webhook endpoints. A registration and a rotation each make a secret and show it once."""

from __future__ import annotations

from contextlib import suppress

from replies import App, asked_page, author, paged, posted

from tallygate.contracts.base.reading import read
from tallygate.contracts.delivery.endpoints import (
    ALLOW_PRIVATE,
    EndpointRequest,
    EndpointRotationBody,
    delivery_answer,
    endpoint_answer,
)
from tallygate.delivery.signatures import SECRET_BYTES_MIN, secret_of
from tallygate.domain.base.instants import SECOND
from tallygate.domain.delivery.deliveries import Endpoint, EndpointStatus
from tallygate.errors import NotFound, StoreUnavailable
from tallygate.http import Answer, Request
from tallygate.operations.base.receipts import Planned
from tallygate.operations.delivery import endpoints
from tallygate.storage.delivery.endpoints import Endpoints


def post_endpoint(app: App, request: Request) -> Answer:
    body = read(EndpointRequest, request.json(), context={ALLOW_PRIVATE: app.settings.allow_private})
    by = author(app, request)
    kept: list[str] = []

    def plan() -> Planned:
        endpoint = Endpoint(
            id=app.new_id("we"),
            url=body.url,
            events=tuple(body.events),
            scheme=body.scheme,
            secrets=(),
            status=EndpointStatus.ACTIVE,
            created_at=by.at,
        )
        kept.append(endpoint.id)
        return endpoints.register_endpoint(_stores(app), endpoint, _secret(app), endpoint_answer, by=by)

    answer = posted(app, request, plan)
    # A plan that lost to another call with the same Idempotency-Key stored a secret for an endpoint that will never
    # exist.
    _forget(app, [endpoint for endpoint in kept if endpoint != answer.body["id"]])
    return answer


def post_rotation(app: App, request: Request) -> Answer:
    endpoint = request.path["endpoint"]
    body = read(EndpointRotationBody, request.json() if request.body.strip() else {})
    overlap, by = body.overlap_seconds * SECOND, author(app, request)
    kept: list[str] = []

    def plan() -> Planned:
        planned = endpoints.rotate_endpoint(
            _stores(app), endpoint, _secret(app), endpoint_answer, overlap=overlap, by=by
        )
        kept.append(endpoint)
        return planned

    try:
        return posted(app, request, plan)
    except NotFound:
        # The endpoint was deleted meanwhile. The earlier plan stored its secret after the endpoint's secrets were
        # removed.
        _forget(app, kept)
        raise


def list_endpoints(app: App, request: Request) -> Answer:
    limit, after = asked_page(request)
    found, more = endpoints.list_endpoints(Endpoints(app.engine), after=after, limit=limit)
    return paged([endpoint_answer(endpoint) for endpoint in found], more)


def get_endpoint(app: App, request: Request) -> Answer:
    return Answer(body=endpoint_answer(endpoints.read_endpoint(Endpoints(app.engine), request.path["endpoint"])))


def delete_endpoint(app: App, request: Request) -> Answer:
    endpoints.delete_endpoint(_stores(app), request.path["endpoint"], by=author(app, request))
    return Answer(status=204)


def list_deliveries(app: App, request: Request) -> Answer:
    (limit, after), endpoint = asked_page(request), request.path["endpoint"]
    found, more = endpoints.list_deliveries(Endpoints(app.engine), endpoint, after=after, limit=limit)
    return paged([delivery_answer(fact_type, delivery) for fact_type, delivery in found], more)


def _stores(app: App) -> endpoints.Stores:
    return endpoints.Stores(endpoints=Endpoints(app.engine), secrets=app.secrets, audits=app.audits)


def _secret(app: App) -> str:
    return secret_of(app.entropy(SECRET_BYTES_MIN))


def _forget(app: App, kept: list[str]) -> None:
    """Remove secrets that no endpoint names. A secret that remains is an SSM parameter that is never used."""
    for endpoint in kept:
        with suppress(StoreUnavailable):
            app.secrets.remove(endpoint)
