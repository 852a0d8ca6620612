"""The list of events, as the gateway asks manage for it."""

from __future__ import annotations

import time

from tallygate.operations.base.each import in_turn
from tallygate.operations.metering.ingest import Posted, ingest
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.metering.events import Events
from tests.functions.managing import Client
from tests.truth import draft


def test_events_are_listed_and_a_bound_key_sees_its_own(acme: Client, dynamo_engine: DynamoEngine) -> None:
    now = int(time.time() * 1000)
    sent = tuple(draft(f"e{n}", event_type="nothing", time=now) for n in range(2))
    nobody = draft("x", subject="nobody", time=now)
    ingest(Events(dynamo_engine), Posted(submitted=(*sent, nobody), batch="b"), now=now, each=in_turn)
    listed = acme("GET", "/v1/events", query={"customer": "acme", "status": "rejected"})["json"]
    (row,) = listed["data"]
    assert (row["id"], row["status"], row["code"], row["others"]) == ("e0", "rejected", "unknown_event_type", 1)
    assert (row["counted_by"], row["warnings"], row["subject"]) == ([], [], "acme")
    assert listed["next_cursor"] is None
    (unknown,) = acme("GET", "/v1/events")["json"]["data"]
    assert (unknown["code"], unknown["subject"]) == ("unknown_customer", "nobody")
    assert acme("GET", "/v1/events", query={"customer": "acme"}, scopes="read", bound_to="acme")["statusCode"] == 200
    others: tuple[dict[str, str], ...] = ({}, {"customer": "other"})
    for query in others:
        refused = acme("GET", "/v1/events", query=query, scopes="read", bound_to="acme")
        assert (refused["statusCode"], refused["json"]["code"]) == (403, "other_customer")
    assert acme("GET", "/v1/events", query={"customer": "acme", "statsu": "x"})["statusCode"] == 422
    assert acme("GET", "/v1/events", query={"customer": "nobody"})["json"]["code"] == "customer_not_found"
    assert acme("GET", "/v1/events", query={"customer": "acme", "cursor": "eA"})["statusCode"] == 422
