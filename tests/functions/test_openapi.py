"""The OpenAPI document: valid in shape, and no route is missing or invented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tallygate.contracts.base.reading import read
from tallygate.contracts.catalog.catalog import declared_in
from tallygate.contracts.delivery.endpoints import ALLOW_PRIVATE
from tallygate.contracts.openapi import named
from tallygate.domain.entries.fact_types import FACT_TYPES
from tests.functions.conftest import LoadApp, sample
from tools.routes import rows


@pytest.fixture
def document(load_app: LoadApp) -> dict[str, Any]:
    event = sample("manage.health")
    event["routeKey"] = "GET /v1/openapi.json"
    result = load_app("manage").handler(event, None)
    assert result["statusCode"] == 200
    found: dict[str, Any] = json.loads(result["body"])
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_it_has_the_shape_of_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert set(document["info"]) >= {"title", "version"}
    ids = [operation["operationId"] for operation in operations(document).values()]
    assert len(ids) == len(set(ids))
    for key, operation in operations(document).items():
        assert operation["responses"]
        named = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert all(f"{{{name}}}" in key for name in named)
        assert key.count("{") == len(named)
        assert all(p["required"] for p in operation["parameters"] if p["in"] == "path")


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [found for part in value.values() for found in references(part)]
        return [found for part in value for found in references(part)] if isinstance(value, list) else []

    found = references(document)
    assert found
    for reference in found:
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def test_it_lists_the_routes_of_the_template_and_of_every_function(document: dict[str, Any], load_app: LoadApp) -> None:
    listed = operations(document)
    routes: dict[str, Any] = {}
    for verb in ("manage", "check", "ingest"):
        routes |= load_app(verb, QUEUE_URL="").ROUTES
    template = yaml.load(Path("template.yaml").read_text(), Loader=_Template)["Resources"].values()
    deployed = {r["Properties"]["RouteKey"] for r in template if r["Type"] == "AWS::ApiGatewayV2::Route"}
    assert set(listed) == set(routes)
    assert set(listed) == deployed - {"$default"}
    for key, route in routes.items():
        assert listed[key]["summary"] == route.summary.replace("{revocation_s}", "60")
        assert bool(listed[key]["security"]) == (route.scope is not None)
        body = listed[key].get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        alone = body.get("anyOf", [body])[0]
        assert alone.get("$ref", "").rpartition("/")[2] == (route.contract_name or "")


class _Template(yaml.SafeLoader):
    """Reads CloudFormation's short forms as what stands behind the tag."""


def _short_form(loader: yaml.SafeLoader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node)


_Template.add_multi_constructor("!", _short_form)


def test_every_example_of_a_body_is_one(document: dict[str, Any]) -> None:
    for key, operation in operations(document).items():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            read(
                named(rows()[key].contract),
                content["example"],
                context={ALLOW_PRIVATE: False, **declared_in(content["example"])},
            )


def test_every_operation_states_its_answers(document: dict[str, Any]) -> None:
    for key, operation in operations(document).items():
        assert operation["tags"], key
        for status, response in operation["responses"].items():
            content = response.get("content", {})
            assert "$ref" in response or content or status == "204", (key, status)
            for media in content.values():
                assert media["schema"], (key, status)
                assert "example" in media, (key, status)
        needed = {"400", "422", "500", "503"} | ({"401", "403", "429"} if operation["security"] else set())
        assert needed <= operation["responses"].keys(), key
        assert [scopes for each in operation["security"] for scopes in each.values()] in (
            [],
            *([[scope]] for scope in ("ingest", "check", "read", "manage")),
        )


def test_every_event_is_a_webhook_of_the_document(document: dict[str, Any]) -> None:
    assert set(document["webhooks"]) == set(FACT_TYPES)


def test_the_contracts_of_events_are_public(load_app: LoadApp) -> None:
    event = sample("manage.health")
    event["routeKey"] = "GET /v1/webhooks/schemas"
    result = load_app("manage").handler(event, None)
    assert result["statusCode"] == 200
    assert {each["type"] for each in json.loads(result["body"])["data"]} == set(FACT_TYPES)
