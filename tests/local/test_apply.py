"""make apply: a file's digits and words arrive as they were written, and what is declared is what was shown."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from local.apply import Stack, apply, read_file, text_of
from local.layout import StackError

YAML = """
# what a person writes
meters:
  - key: m
    filters: [{property: $.x, op: in, value: [1, 1.50, "1", true]}]
features:
  - {key: f, type: metered, meter: m}
  - {key: region, type: config}
plans:
  - key: p
    version: 1
    entitlements:
      - feature: f
        limit: 123456789012345678.123456789
        period: {every: month, anchor: 2026-01-31T00:00:00Z}
        enforcement: off
      - {feature: region, value: no}
      - {feature: g, limit: 010, period: {every: day, timezone: UTC}}
      - {feature: h, limit: null, rate: {limit: 1e3, per: minute}}
"""


def written(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_yaml_is_read_as_it_is_written(tmp_path: Path) -> None:
    catalog = read_file(written(tmp_path, "catalog.yaml", YAML))
    limited, region, padded, rated = catalog["plans"][0]["entitlements"]
    assert limited["limit"] == Decimal("123456789012345678.123456789")
    assert (limited["enforcement"], limited["period"]["anchor"]) == ("off", "2026-01-31T00:00:00Z")
    assert (region["value"], padded["limit"], rated["limit"], rated["rate"]["limit"]) == ("no", 10, None, 1000)
    assert '"limit":123456789012345678.123456789' in text_of(catalog)
    assert '"value":[1,1.50,"1",true]' in text_of(catalog)
    assert json.loads(text_of(catalog), parse_float=Decimal) == catalog


def test_json_keeps_its_digits_too(tmp_path: Path) -> None:
    path = written(tmp_path, "catalog.json", '{"plans": [{"limit": 0.10, "name": "é\\n"}]}')
    assert text_of(read_file(path)) == '{"plans":[{"limit":0.10,"name":"\\u00e9\\n"}]}'


@pytest.mark.parametrize(("name", "text"), [("a.json", "{"), ("a.yaml", "a: [1"), ("a.yaml", "!!python/object:x {}")])
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(StackError, match="cannot be read"):
        read_file(written(tmp_path, name, text))
    with pytest.raises(StackError, match="cannot be read"):
        read_file(tmp_path / "missing.yaml")


class Answering(BaseHTTPRequestHandler):
    """Answers as the catalog's route does, and keeps what it was asked."""

    asked: list[tuple[str, str | None]]
    answer: tuple[int, dict[str, Any]]

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        type(self).asked.append((self.path, self.headers["if-match"]))
        status, body = type(self).answer
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("etag", '"7"')
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as the library names it
        return


@pytest.fixture
def stack() -> Iterator[Stack]:
    Answering.asked = []
    server = HTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Stack(f"http://127.0.0.1:{server.server_port}/", "tg_key")
    server.shutdown()
    thread.join()
    server.server_close()


CHANGES = [
    {"action": "changed", "kind": "meter", "key": "m", "customers": 12},
    {"action": "added", "kind": "plan", "key": "pro", "version": 2, "customers": 0},
]


def test_what_is_shown_is_declared_under_its_version(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    Answering.answer = (200, {"version": 8, "changes": CHANGES, "customers": 12})
    apply(stack, {}, dry_run=False)
    assert Answering.asked == [("/v1/catalog?dry_run=1", None), ("/v1/catalog", '"7"')]
    told = capsys.readouterr().out
    assert told.splitlines() == [
        "~ meter m   (12 customers)",
        "+ plan pro version 2",
        "2 changes, 12 customers affected.",
        "Applied: version 8.",
    ]


@pytest.mark.parametrize(("changes", "dry_run"), [(CHANGES, True), ([], False)])
def test_nothing_is_declared_where_that_was_not_asked_for_or_nothing_differs(
    stack: Stack, changes: list[dict[str, Any]], dry_run: bool
) -> None:
    Answering.answer = (200, {"version": 8, "changes": changes, "customers": 0})
    apply(stack, {}, dry_run=dry_run)
    assert Answering.asked == [("/v1/catalog?dry_run=1", None)]


def test_every_broken_rule_is_told(stack: Stack) -> None:
    rule = {"pointer": "/plans/0/key", "code": "required", "detail": "is required"}
    Answering.answer = (422, {"code": "invalid_request", "detail": "no", "errors": [rule]})
    with pytest.raises(StackError, match=r"422 invalid_request.*\n  /plans/0/key: is required \(required\)"):
        apply(stack, {}, dry_run=False)
