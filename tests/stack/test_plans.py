"""Features, overrides, scopes and a large catalog over the deployed API, with IAM enforced."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from local.apply import Stack, apply, read_file
from local.client import with_ours
from tests.stack.api import Api, until


@pytest.fixture(scope="module")
def name(api: Api) -> str:
    """A plan with every type of feature, under new names, beside whatever other tests have declared."""
    name = f"plans-{uuid.uuid4().hex[:8]}"
    ours = catalog(name)
    held = api("GET", "/v1/catalog")
    put = api("PUT", "/v1/catalog", with_ours(held.json, ours), if_match=held.headers["etag"])
    assert put.status == 200, put.json
    assert api.good("PUT", f"/v1/customers/{name}", {"plan": name})["plan"] == name
    return name


def catalog(name: str) -> dict[str, Any]:
    month = {"every": "month"}
    return {
        "meters": [{"key": name, "event_type": name, "aggregation": "count", "dimensions": {"model": "$.model"}}],
        "features": [
            {"key": name, "type": "metered", "meter": name},
            {"key": f"{name}-sso", "type": "boolean"},
            {"key": f"{name}-region", "type": "config"},
        ],
        "plans": [
            {
                "key": name,
                "entitlements": [
                    {"feature": name, "limit": 10, "period": month},
                    {"feature": f"{name}-sso", "enabled": True},
                    {"feature": f"{name}-region", "value": "eu"},
                ],
                "limits": [
                    {"name": "large", "feature": name, "scope": {"model": "large"}, "limit": 2, "period": month}
                ],
            }
        ],
    }


def consume(api: Api, name: str, **dimensions: str) -> dict[str, Any]:
    body = {"customer": name, "feature": name, "dimensions": dimensions, "detail": True}
    found: dict[str, Any] = api.good("POST", "/v1/consume", body)
    return found


def test_switches_and_settings_are_answered(api: Api, name: str) -> None:
    sso = api.good("POST", "/v1/check", {"customer": name, "feature": f"{name}-sso"})
    assert (sso["granted"], sso["unlimited"], sso["limit"]) == (True, True, None)
    assert api.good("GET", f"/v1/customers/{name}/entitlements/{name}-sso")["type"] == "boolean"
    region = api.good("GET", f"/v1/customers/{name}/entitlements/{name}-region")
    assert (region["type"], region["enabled"], region["value"]) == ("config", True, "eu")
    refused = api("POST", "/v1/consume", {"customer": name, "feature": f"{name}-sso"})
    assert (refused.status, refused.json["code"]) == (422, "feature_type_mismatch")


def test_a_scope_is_held_beside_the_whole_and_events_count_in_it(api: Api, name: str) -> None:
    assert [consume(api, name, model="large")["granted"] for _ in range(3)] == [True, True, False]
    assert consume(api, name, model="large")["denied_by"]["scope"] == {"model": "large"}
    assert consume(api, name, model="small")["granted"]
    event = {"id": f"{name}-e", "type": name, "subject": name, "data": {"model": "large"}}
    assert api.good("POST", "/v1/events", [event])["accepted"] == 1

    def used() -> dict[str, Any]:
        state = api.good("GET", f"/v1/customers/{name}/entitlements/{name}")
        return {limit["name"]: limit["used"] for limit in state["limits"]}

    assert until(used, lambda found: found[name] == 4) == {name: 4, "large": 3}


def test_an_override_is_in_force_at_once_and_taken_away_at_once(api: Api, name: str) -> None:
    path = f"/v1/customers/{name}/limits/large"
    assert not consume(api, name, model="large")["granted"]
    made = api("PUT", path, {"limit": 5})
    assert (made.status, made.json["role"], made.json["effective"]["limit"]) == (201, "overrides", 5)
    assert api("PUT", path, {"limit": 5}).status == 200
    assert api("PUT", path, {"limit": 6}, if_match='"0"').status == 412
    assert consume(api, name, model="large")["granted"]
    assert [limit["name"] for limit in api.good("GET", f"/v1/customers/{name}/limits")["data"]] == ["large"]
    assert api.good("GET", path)["limit"] == 5
    assert api("DELETE", path).status == 204
    assert api("DELETE", path).json["code"] == "limit_not_found"
    assert not consume(api, name, model="large")["granted"]
    assert api("PUT", path, {"limit": None}).json["effective"]["limit"] is None
    unlimited = consume(api, name, model="large")
    assert [(n["unlimited"], n["limit"]) for n in unlimited["limits"] if n["name"] == "large"] == [(True, None)]
    assert api("DELETE", path).status == 204


def test_a_catalog_larger_than_a_transaction_is_applied_from_a_file_and_goes_again(
    api: Api, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extra = [f"{name}-{n}" for n in range(60)]
    lines = ["meters:", *(f"  - {{key: {key}, event_type: e, aggregation: count}}" for key in extra)]
    lines += ["features:", *(f"  - {{key: {key}, type: metered, meter: {key}}}" for key in extra), "plans: []"]
    path = tmp_path / "catalog.yaml"
    path.write_text("\n".join(lines))
    held = api("GET", "/v1/catalog").json
    stack = Stack(api.handle.api_url, api.key)
    apply(stack, with_ours(held, read_file(path)), dry_run=True)
    assert "120 changes, 0 customers affected." in capsys.readouterr().out
    apply(stack, with_ours(held, read_file(path)), dry_run=False)
    assert "Applied: version" in capsys.readouterr().out
    given = api.good("GET", "/v1/catalog")
    for meter in given["meters"]:
        if meter["key"] == name:
            meter["dimensions"]["team"] = "$.team"
    touched = api.good("PUT", "/v1/catalog?dry_run=1", given)
    assert [(c["action"], c["key"], c["customers"]) for c in touched["changes"]] == [("changed", name, 1)]
    assert touched["customers"] == 1
    put = api.good("PUT", "/v1/catalog", api.good("GET", "/v1/catalog"))
    assert put["changes"] == [], "what is given can be put again"
