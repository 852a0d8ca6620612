"""Uses the generated Python client, typed: `python_client.py URL KEY CUSTOMER [CATALOG]`, in the tool environment."""

from __future__ import annotations

import json
import sys

from tallygate_api import AuthenticatedClient
from tallygate_api.api.catalog import put_catalog
from tallygate_api.api.customers import get_customers_customer, put_customers_customer
from tallygate_api.api.decisions import post_check, post_consume
from tallygate_api.api.usage import post_events
from tallygate_api.models import (
    Ask,
    CatalogBody,
    CustomerAnswer,
    CustomerBody,
    DecisionAnswer,
    EventIn,
    EventInData,
    EventsAnswer,
    PostConsumeHttpStatus,
    Problem,
    Reason,
)

FEATURE = "generated"


def main(url: str, key: str, customer: str, catalog: str | None = None) -> None:
    with AuthenticatedClient(base_url=url, token=key) as client:
        if catalog is not None:
            put_catalog.sync(client=client, body=CatalogBody.from_dict(json.loads(catalog)))
        made = put_customers_customer.sync(customer, client=client, body=CustomerBody(plan="generated"))
        assert isinstance(made, CustomerAnswer), made
        assert made.plan == "generated"

        decision = post_consume.sync(client=client, body=Ask(customer=customer, feature=FEATURE, amount=4))
        assert isinstance(decision, DecisionAnswer), decision
        assert decision.granted and decision.used == 4 and decision.remaining == 6
        assert decision.reason is Reason.OK

        denied = post_consume.sync_detailed(
            client=client,
            body=Ask(customer=customer, feature=FEATURE, amount="7"),
            http_status=PostConsumeHttpStatus.TRUE,
        )
        assert denied.status_code == 429
        assert "RateLimit" in denied.headers

        several = post_check.sync(
            client=client, body=[Ask(customer=customer, feature=FEATURE, amount=n) for n in (6, 7)]
        )
        assert isinstance(several, list)
        assert [each.granted for each in several] == [True, False]

        event = EventIn(id="e1", type_="generated.reported", subject=customer, data=EventInData.from_dict({"n": 2}))
        sent = post_events.sync(client=client, body=[event, event])
        assert isinstance(sent, EventsAnswer), sent
        assert (sent.accepted, sent.duplicates) == (1, 1)

        missing = get_customers_customer.sync("nobody", client=client)
        assert isinstance(missing, Problem), missing
        assert missing.code == "customer_not_found"


if __name__ == "__main__":
    main(*sys.argv[1:])
