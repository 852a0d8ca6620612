"""Handlers of API keys."""

from __future__ import annotations

import base64

from replies import App, asked_page, author, paged, posted

from tallygate.contracts.base.reading import read
from tallygate.contracts.customers.keys import KeyBody, RotationBody, key_answer
from tallygate.domain.base.instants import DAY, SECOND
from tallygate.domain.customers.api_keys import PREFIX, ApiKey
from tallygate.http import Answer, Request
from tallygate.operations.base.receipts import Planned
from tallygate.operations.customers import keys

KEY_BYTES = 32


def post_key(app: App, request: Request) -> Answer:
    body = read(KeyBody, request.json())
    now, by = app.clock.now(), author(app, request)
    lifetime_ms = app.settings.key_lifetime_days * DAY if app.settings.key_lifetime_days else None

    def plan() -> Planned:
        key = ApiKey(
            id=app.new_id("key"),
            name=body.name,
            scopes=tuple(body.scopes),
            customer=body.customer,
            expires_at=body.expiry(now=now, lifetime_ms=lifetime_ms),
            created_at=now,
        )
        return keys.make_key(_stores(app), key, _text(app), key_answer, by=by)

    return posted(app, request, plan)


def rotate_key(app: App, request: Request) -> Answer:
    body, named = read(RotationBody, request.json()), request.path["key"]
    by, overlap_ms = author(app, request), body.overlap_seconds * SECOND

    def plan() -> Planned:
        return keys.rotate_key(_stores(app), named, _text(app), key_answer, overlap_ms=overlap_ms, by=by)

    return posted(app, request, plan)


def list_keys(app: App, request: Request) -> Answer:
    limit, after = asked_page(request)
    found, more = keys.list_keys(app.keys, after=after, limit=limit)
    return paged([key_answer(key, app.clock.now()) for key in found], more)


def delete_key(app: App, request: Request) -> Answer:
    keys.revoke_key(_stores(app), request.path["key"], key_answer, by=author(app, request))
    return Answer(status=204)


def _stores(app: App) -> keys.Stores:
    return keys.Stores(keys=app.keys, audits=app.audits)


def _text(app: App) -> str:
    """Return a new key text, which the key's holder presents."""
    return PREFIX + base64.urlsafe_b64encode(app.entropy(KEY_BYTES)).decode().rstrip("=")
