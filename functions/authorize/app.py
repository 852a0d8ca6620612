"""authorize: turns an API key into the principal of a request.

Any text in the form of a key is let through, known or not. The function behind the route then answers 401 or 403 as a
problem document, from the context that this function sets. The gateway refuses every other text with 403 and calls no
other function. Internal failures are raised, because the gateway caches answers.
"""

from __future__ import annotations

import os
from typing import Any

from tallygate.clock import clock_of
from tallygate.domain.customers.api_keys import ApiKey, bearer
from tallygate.operations.customers.authorize import authorize
from tallygate.storage.base.connect import client_for
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.customers.api_keys import ApiKeys

engine = DynamoEngine(client_for(os.environ), os.environ["TABLE_NAME"])
keys = ApiKeys(engine)
clock = clock_of(os.environ, engine)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    if bearer(headers.get("authorization")) is None:
        return {"isAuthorized": False}
    found = authorize(keys, headers.get("authorization"), clock.now())
    return {"isAuthorized": True, "context": context_of(found)}


def context_of(key: ApiKey | None) -> dict[str, str]:
    """Return the context that the functions read. The gateway allows only strings in it."""
    if key is None:
        return {"error": "unauthenticated"}
    return {"key_id": key.id, "scopes": " ".join(key.scopes), "customer": key.customer or ""}
