"""authorize: an API key becomes who calls. Every request is let through: its function answers 401 and 403 itself, as
problem documents, by what is in the context here. A failure of ours is raised, because the gateway remembers answers.
"""

from __future__ import annotations

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger

from tallygate.clock import clock_of
from tallygate.domain.api_keys import ApiKey
from tallygate.operations.authorize import authorize
from tallygate.storage.api_keys import ApiKeys
from tallygate.storage.dynamo import DynamoEngine, client_config

logger = Logger()
engine = DynamoEngine(boto3.client("dynamodb", config=client_config()), os.environ["TABLE_NAME"])
keys = ApiKeys(engine)
clock = clock_of(os.environ, engine)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    found = authorize(keys, headers.get("authorization"), clock.now())
    logger.info(
        "authorize",
        key_id=found.id if found is not None else None,
        route=event.get("routeKey"),
        trace_id=headers.get("traceparent", "")[3:35] or None,
    )
    return {"isAuthorized": True, "context": context_of(found)}


def context_of(key: ApiKey | None) -> dict[str, str]:
    """What the functions read: strings only, as the gateway wants them."""
    if key is None:
        return {"error": "unauthenticated"}
    return {"key_id": key.id, "scopes": " ".join(key.scopes), "customer": key.customer or ""}
