"""The client of each function: the small one where requests wait, boto3 elsewhere and where settings need it."""

from __future__ import annotations

import json

import pytest

from tallygate.storage.base.boto import BotoClient
from tallygate.storage.base.client import HttpClient
from tallygate.storage.base.dynamo import DynamoEngine
from tests.functions.conftest import LoadApp, sample
from tests.given import effective, in_force, quota

MORE = {
    "aggregate": {"QUEUE_URL": "http://127.0.0.1:1/queue"},
    "reset": {"CLOSE_GRACE_SECONDS": "0"},
    "manage": {"RESET_FUNCTION": "r", "DELIVER_FUNCTION": "d"},
    "deliver": {"QUEUE_URL": "http://127.0.0.1:1/queue", "BUS_NAME": "b", "ALLOW_PRIVATE_WEBHOOKS": "true"},
}
HOT = ("authorize", "check", "ingest", "aggregate")


@pytest.mark.parametrize("verb", [*HOT, "manage", "reset", "deliver"])
def test_functions_that_requests_wait_for_have_the_small_client(verb: str, load_app: LoadApp) -> None:
    """So that the tests of their handlers are tests of it, too."""
    client = load_app(verb, **MORE.get(verb, {})).engine.client
    assert isinstance(client, HttpClient if verb in HOT else BotoClient), client.why


@pytest.mark.parametrize("variables", [{}, {"AWS_CA_BUNDLE": "/dev/null"}], ids=["small client", "boto3"])
def test_a_decision_is_the_same_through_either(
    variables: dict[str, str], load_app: LoadApp, dynamo_engine: DynamoEngine
) -> None:
    in_force(dynamo_engine, effective(quota(100)))
    app = load_app("check", **variables)
    assert app.engine.client.why == ("AWS_CA_BUNDLE is set" if variables else "")
    event = sample("check.consume")
    for granted in (True, False):
        body = {"customer": "acme", "feature": "ai-tokens", "amount": 60}
        answer = app.handler({**event, "body": json.dumps(body)}, None)
        assert (answer["statusCode"], json.loads(answer["body"])["granted"]) == (200, granted)
