"""Typed clients are generated from the OpenAPI document without a warning, and work."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from tests.clients.generated import CATALOG, python_client, typed, typescript_types, use
from tests.functions.conftest import LoadApp
from tests.functions.gateway import Gateway
from tests.functions.managing import Client


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name of the base class
        """Requests are not logged."""


@pytest.fixture
def gateway(load_app: LoadApp) -> Gateway:
    return Gateway(*(load_app(verb, QUEUE_URL="") for verb in ("manage", "check", "ingest")))


@pytest.fixture
def document(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = Client(gateway.fallback)("GET", "/v1/openapi.json")["json"]
    return found


@pytest.fixture
def url(gateway: Gateway) -> Iterator[str]:
    """The functions behind a local HTTP server."""
    with make_server("127.0.0.1", 0, gateway, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_typed_python_client_consumes(document: dict[str, Any], url: str, tmp_path: Path) -> None:
    script = python_client(document, tmp_path)
    typed(tmp_path)
    use(script, url, "tg_any", "generated-client", json.dumps(CATALOG))


def test_typescript_types_compile(document: dict[str, Any], tmp_path: Path) -> None:
    typescript_types(document, tmp_path)
