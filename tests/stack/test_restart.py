"""A stack that is stopped and started again goes on where it was, also from the middle of the fold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local import drain, tour
from local.layout import REPOSITORY, Layout, free_port
from local.lifecycle import running
from tests.stack.api import Api, until

EVENTS, BATCH = 2_000, 500


def test_a_stop_in_the_middle_of_the_fold_loses_and_repeats_nothing(tmp_path: Path) -> None:
    first = Layout(folder=tmp_path, port=free_port())
    with running(first, say=print, announce=print) as stack:
        key, table = stack.handle.manage_key, stack.handle.table
        api = Api(stack.handle, key)
        api.good("PUT", "/v1/catalog", json.loads((REPOSITORY / "events" / "catalog.json").read_text()))
        api.good("PUT", "/v1/customers/acme", {"plan": "tour"})
        events = [
            {"id": f"e{n}", "type": "llm.completion", "subject": "acme", "data": {"tokens": 1}} for n in range(EVENTS)
        ]
        for start in range(0, EVENTS, BATCH):
            assert api.good("POST", "/v1/events", events[start : start + BATCH])["accepted"] == BATCH
        api.close()
    assert not first.handle.exists()
    # Another port, as `make run PORT=…` may choose: nothing that was deployed may depend on it.
    second = Layout(folder=tmp_path, port=free_port())
    with running(second, say=print, announce=print) as stack:
        assert (stack.handle.manage_key, stack.handle.table) == (key, table)
        api = Api(stack.handle, key)
        usage = "/v1/usage?customer=acme&feature=ai-tokens"
        until(lambda: api.good("GET", usage)["total"], lambda total: total >= EVENTS)
        assert drain.drain_stream(stack.clients, table)
        assert api.good("GET", usage)["total"] == EVENTS
        again = api.good("POST", "/v1/events", events[:BATCH])
        assert (again["accepted"], again["duplicates"]) == (0, BATCH)
        assert drain.drain_stream(stack.clients, table)
        assert api.good("GET", usage)["total"] == EVENTS
        api.close()


@pytest.mark.timeout(600)
def test_a_stack_that_moves_to_another_port_and_back_passes_its_tour_on_each(tmp_path: Path) -> None:
    """`make run PORT=a`, stop, `make run PORT=b`, stop, `make run PORT=a`: webhooks arrive each time."""
    first, second = Layout(folder=tmp_path, port=free_port()), Layout(folder=tmp_path, port=free_port())
    inboxes = set()
    for layout in (first, second, first):
        with running(layout, say=print, announce=print) as stack:
            tour.walk(stack.handle, layout)
            inboxes.add(stack.handle.inbox_url)
            assert f":{layout.port}/" in stack.handle.queue_url
            assert stack.clients.of("sqs").get_queue_attributes(QueueUrl=stack.handle.queue_url)
    assert len(inboxes) == 1, "endpoints that were registered with the inbox go on working"
