"""The routes that give a webhook endpoint a secret: its registration, and a rotation. Each shows it once."""

from __future__ import annotations

from contextlib import suppress

from replies import App, author, in_path, posted

from tallygate.contracts.endpoints import ALLOW_PRIVATE, EndpointRequest, EndpointRotationBody, endpoint_answer
from tallygate.contracts.reading import read
from tallygate.delivery.signatures import SECRET_BYTES_MIN, secret_of
from tallygate.domain.deliveries import Endpoint, EndpointStatus
from tallygate.domain.instants import SECOND
from tallygate.errors import NotFound, StoreUnavailable
from tallygate.http import Answer, Request
from tallygate.operations import endpoints
from tallygate.operations.receipts import Planned


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
        return endpoints.register_endpoint(app.endpoint_stores, endpoint, _secret(app), endpoint_answer, by=by)

    answer = posted(app, request, plan)
    # A plan that lost to another call with the same key has kept a secret for an endpoint that will never be.
    _forget(app, [endpoint for endpoint in kept if endpoint != answer.body["id"]])
    return answer


def post_rotation(app: App, request: Request) -> Answer:
    endpoint = in_path(request).endpoint or ""
    body = read(EndpointRotationBody, request.json() if request.body.strip() else {})
    overlap, by = body.overlap_seconds * SECOND, author(app, request)
    kept: list[str] = []

    def plan() -> Planned:
        planned = endpoints.rotate_endpoint(
            app.endpoint_stores, endpoint, _secret(app), endpoint_answer, overlap=overlap, by=by
        )
        kept.append(endpoint)
        return planned

    try:
        return posted(app, request, plan)
    except NotFound:
        # Deleted meanwhile: the secret of the plan before was kept after those of the endpoint were removed.
        _forget(app, kept)
        raise


def _secret(app: App) -> str:
    return secret_of(app.entropy(SECRET_BYTES_MIN))


def _forget(app: App, kept: list[str]) -> None:
    """Remove secrets that nothing names. One that stays is a parameter that nobody signs with."""
    for endpoint in kept:
        with suppress(StoreUnavailable):
            app.secrets.remove(endpoint)
