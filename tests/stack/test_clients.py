"""A Python client generated from the deployed stack's own document consumes there."""

from __future__ import annotations

from pathlib import Path

from tests.clients.generated import CATALOG, python_client, use
from tests.stack.api import Api, unique


def test_a_generated_client_consumes_on_the_stack(api: Api, tmp_path: Path) -> None:
    catalog = api("GET", "/v1/catalog")
    for kind, entries in CATALOG.items():
        catalog.json[kind] += entries
    assert api("PUT", "/v1/catalog", catalog.json, if_match=catalog.headers["etag"]).status == 200
    script = python_client(api.good("GET", "/v1/openapi.json"), tmp_path)
    use(script, api.handle.api_url, api.key, unique("generated-client"))
