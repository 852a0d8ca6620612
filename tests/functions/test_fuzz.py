"""Every route, asked what its own OpenAPI document allows and what it does not: nothing is ever a failure of ours.

Every answer has a status, a media type, headers and a body of the document.

FUZZ_EXAMPLES=1000 pytest tests/functions/test_fuzz.py     more requests for each operation, other ones at each run
"""

from __future__ import annotations

import json
import os
from types import ModuleType
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.functions.conftest import LoadApp
from tests.functions.gateway import Gateway
from tests.functions.managing import CATALOG, Client

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "12"))
VERBS = ("manage", "check", "ingest")
CLOCK = "POST /v1/test-clock"
DOCUMENT = "GET /v1/openapi.json"
"""Asked by whoever reads the document."""
CONFORMS = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
FUZZED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def functions(load_app: LoadApp) -> list[ModuleType]:
    """The functions behind the API, with a customer on the sample catalog's plan."""
    loaded = [
        load_app(verb, TEST_CLOCK="enabled", QUEUE_URL="", RESET_FUNCTION="r", DELIVER_FUNCTION="d") for verb in VERBS
    ]
    manage = loaded[0]
    manage.app.run, manage.app.wait = lambda _: {}, lambda _: None
    call = Client(manage)
    assert call("PUT", "/v1/catalog", CATALOG)["statusCode"] == 200
    assert call("PUT", "/v1/customers/{customer}", {"plan": "tour"}, customer="acme")["statusCode"] == 201
    return loaded


@pytest.fixture
def gateway(functions: list[ModuleType]) -> Gateway:
    return Gateway(*functions)


def answered(case: Case[Any], seen: dict[str, int]) -> None:
    """Ask, and look at the answer. Only a deep health check may say 503: nothing reads the stream here."""
    response = case.call()
    asked = f"{case.method} {case.formatted_path} {case.query} {case.body!r:.500}"
    deep = case.path == "/v1/health" and response.status_code == 503
    assert response.status_code < 500 or deep, f"{asked}\n{response.text}"
    if response.status_code >= 400 and not deep:
        problem = json.loads(response.text)
        assert response.headers["content-type"] == ["application/problem+json"], asked
        assert problem["status"] == response.status_code, asked
        assert problem["code"] and problem["trace_id"], asked
    case.validate_response(response, checks=CONFORMS)
    seen[f"{case.method} {case.path}"] = seen.get(f"{case.method} {case.path}", 0) + 1


def operations(gateway: Gateway) -> list[Any]:
    schema = schemathesis.openapi.from_wsgi("/v1/openapi.json", gateway)
    found: Any = schema.get_all_operations()
    return [each.ok() for each in found]


@pytest.mark.timeout(300 + 10 * EXAMPLES)
def test_no_request_is_a_failure_of_ours(gateway: Gateway) -> None:
    seen: dict[str, int] = {}
    for operation in operations(gateway):
        if f"{operation.method.upper()} {operation.path}" == CLOCK:
            continue  # a clock that moves on makes all others wait; it has its own test below
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _fuzz(operation, mode, seen)
    assert {route.key for route, _ in gateway.rows} - seen.keys() == {CLOCK, DOCUMENT}, "every operation was asked"


def test_no_time_of_the_clock_is_a_failure_of_ours(gateway: Gateway) -> None:
    (clock,) = (found for found in operations(gateway) if f"{found.method.upper()} {found.path}" == CLOCK)
    seen: dict[str, int] = {}
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        _fuzz(clock, mode, seen)
    assert seen


def _fuzz(operation: Any, mode: GenerationMode, seen: dict[str, int]) -> None:
    try:
        cases = operation.as_strategy(generation_mode=mode)
    except schemathesis.errors.SchemathesisError:
        return  # nothing of this operation can be wrong

    @FUZZED
    @given(case=cases)
    def ask(case: Case[Any]) -> None:
        answered(case, seen)

    try:
        ask()
    except Unsatisfiable:
        # Nothing of an operation without parameters can be wrong.
        assert mode is GenerationMode.NEGATIVE, operation.label


NUMBERS = [
    "1e1000000",
    "1e999999999999999999",
    "-1e400",
    "1e-400",
    "0.1000000000000000055",
    "9" * 400,
    "NaN",
    "-0",
    '"+5"',
]
BODIES = ["", "null", "[]", "[[]]", '"x"', "{", "\ud800", "[" * 3000, '{"a":1,"a":2}', '{"amount": %s}']


@settings(max_examples=EXAMPLES * 10, parent=FUZZED)
@given(data=st.data())
def _any_body(gateway: Gateway, data: st.DataObject) -> None:
    route, _ = data.draw(st.sampled_from([row for row in gateway.rows if row[0].contract is not None]))
    text = data.draw(st.sampled_from(BODIES)).replace("%s", data.draw(st.sampled_from(NUMBERS)))
    path = route.path
    for name in ("customer", "feature", "name", "endpoint", "key", "decision_id"):
        path = path.replace(
            f"{{{name}}}", data.draw(st.sampled_from(["acme", "%2e%2e", "a%00b", "%F0%9F%98%80" * 200]))
        )
    matched = gateway.matched(route.method, path)
    environ = {"REQUEST_METHOD": route.method, "REQUEST_URI": path, "wsgi.input": _Sent(text), "CONTENT_LENGTH": 1}
    result = matched.function.handler(gateway._event(environ, matched), None)
    assert result["statusCode"] < 500, (route.key, path, text, result["body"])


class _Sent:
    """A body of a request, whatever length is said of it."""

    def __init__(self, text: str) -> None:
        self.content = text.encode("utf-8", "surrogatepass")

    def read(self, _: int) -> bytes:
        return self.content


def test_no_body_and_no_name_is_a_failure_of_ours(gateway: Gateway) -> None:
    _any_body(gateway)
