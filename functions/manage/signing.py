"""The routes that give a webhook endpoint a secret: its registration, and a rotation. Each shows it once."""

from __future__ import annotations

from contextlib import suppress

from replies import App, in_path, posted, unbound

from tallygate.contracts.endpoints import ALLOW_PRIVATE, EndpointRequest, RotationBody, endpoint_answer
from tallygate.contracts.reading import read
from tallygate.delivery.signatures import SECRET_BYTES_MIN, secret_of
from tallygate.domain.deliveries import Endpoint, EndpointStatus
from tallygate.domain.instants import SECOND
from tallygate.errors import NotFound, StoreUnavailable
from tallygate.http import Answer, Request
from tallygate.operations import endpoints
from tallygate.operations.receipts import Planned


def post_endpoint(app: App, request: Request) -> Answer:
    unbound(request)
    body = read(EndpointRequest, request.json(), context={ALLOW_PRIVATE: app.allow_private})
    now = app.clock.now()
    kept: list[str] = []

    def plan() -> Planned:
        endpoint = Endpoint(
            id=app.new_id("we"),
            url=body.url,
            events=tuple(body.events),
            scheme=body.scheme,
            secrets=(),
            status=EndpointStatus.ACTIVE,
            created_at=now,
        )
        kept.append(endpoint.id)
        return endpoints.register_endpoint(app.endpoints, app.secrets, endpoint, _secret(app), endpoint_answer)

    answer = posted(app, request, plan)
    # A plan that lost to another call with the same key has kept a secret for an endpoint that will never be.
    _forget(app, [endpoint for endpoint in kept if endpoint != answer.body["id"]])
    return answer


def post_rotation(app: App, request: Request) -> Answer:
    unbound(request)
    endpoint = in_path(request).endpoint or ""
    body = read(RotationBody, request.json() if request.body.strip() else {})
    overlap, now = body.overlap_seconds * SECOND, app.clock.now()
    kept: list[str] = []

    def plan() -> Planned:
        planned = endpoints.rotate_endpoint(
            app.endpoints, app.secrets, endpoint, _secret(app), endpoint_answer, overlap=overlap, now=now
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
