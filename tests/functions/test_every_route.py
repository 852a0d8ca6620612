"""What holds of every route: unknown and misspelt parameters, conditions and forms that it would ignore, and names
that no path could reach are refused before anything is done."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from tallygate.contracts.base.parameters import OFF, ON, PATH, SWITCH
from tallygate.contracts.openapi import named
from tallygate.http import BODY_BYTES_MAX, allowed_methods
from tests.functions.conftest import LoadApp, sample

FUNCTIONS = ("manage", "check", "ingest")
WRITES = ("POST", "PUT", "DELETE", "PATCH")


class Apps:
    """The functions that answer routes, each loaded when it is asked: their modules share names."""

    def __init__(self, load_app: LoadApp) -> None:
        self._load = load_app

    def __iter__(self) -> Iterator[tuple[str, ModuleType]]:
        for verb in FUNCTIONS:
            app = self._load(verb)
            for key in app.ROUTES:
                yield key, app


@pytest.fixture
def apps(load_app: LoadApp) -> Apps:
    return Apps(load_app)


def asked(
    app: ModuleType,
    route: str,
    query: str = "",
    /,
    *,
    body: str | None = None,
    headers: dict[str, str] | None = None,
    path: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The result of a route, asked with a key that may do everything."""
    event = copy.deepcopy(sample("manage"))
    named = dict.fromkeys(re.findall(r"\{(\w+)\}", route), "x")
    pairs = [part.partition("=") for part in query.split("&") if part]
    event |= {"routeKey": route, "rawQueryString": query, "pathParameters": {**named, **(path or {})}}
    event["queryStringParameters"] = {name: value for name, _, value in pairs}
    event["headers"] |= headers or {}
    event["requestContext"]["authorizer"]["lambda"] = {
        "key_id": "k",
        "scopes": "manage check ingest read",
        "customer": "",
    }
    event["body"] = body if body is not None else "{}"
    result: dict[str, Any] = app.handler(event, None)
    return {**result, "json": json.loads(result["body"]) if result["body"] else None}


def refused(result: dict[str, Any], status: int = 422) -> list[tuple[str, str]]:
    assert result["statusCode"] == status, result
    return [(error["pointer"], error["code"]) for error in result["json"]["errors"]]


def test_an_unknown_parameter_is_named(apps: Apps) -> None:
    for key, app in apps:
        assert refused(asked(app, key, "dryrun=1")) == [("?dryrun", "unknown_field")], key
        assert ("?customers[]", "unknown_field") in refused(asked(app, key, "customers[]=a&x=")), key


def test_a_parameter_is_given_once(apps: Apps) -> None:
    for key, app in apps:
        for name in app.ROUTES[key].query:
            assert (f"?{name}", "repeated") in refused(asked(app, key, f"{name}=1&{name}=1")), key


def test_a_switch_is_one_or_is_refused(apps: Apps) -> None:
    switches = []
    for key, app in apps:
        for name in (name for name, parameter in app.ROUTES[key].query.items() if parameter.kind == SWITCH):
            switches.append(name)
            for value in ("on", "True", "tru", "", "2", "off", "1 "):
                assert (f"?{name}", "not_allowed") in refused(asked(app, key, f"{name}={value}")), (key, value)
            for value in (*ON, *OFF):
                assert f"?{name}" not in asked(app, key, f"{name}={value}")["body"], (key, value)
    assert set(switches) >= {"dry_run", "http_status", "deep"}


def test_a_name_in_a_path_is_checked_wherever_it_stands(apps: Apps) -> None:
    for key, app in apps:
        for name in re.findall(r"\{(\w+)\}", key):
            for value in ("", "e\u0301", "a\x00", "x" * 256):
                if PATH[name].broken(value):
                    assert refused(asked(app, key, path={name: value}))[0][0] == f"{{{name}}}", (key, value)
                else:
                    assert name == "decision_id", "a part of a path has no rule"
                    assert asked(app, key, path={name: value})["statusCode"] in (404, 422)


def test_a_form_that_no_answer_has_is_refused(apps: Apps) -> None:
    for key, app in apps:
        for accept in ("text/csv", "text/html, text/csv;q=0.5", "application/json;q=0"):
            assert refused(asked(app, key, headers={"accept": accept}), 406) == [("!accept", "not_available")], key
        for accept in ("*/*", "text/csv, */*;q=0.1", "application/*", "", "application/problem+json"):
            assert asked(app, key, headers={"accept": accept})["statusCode"] != 406, (key, accept)


def test_a_condition_that_would_be_ignored_is_refused(apps: Apps) -> None:
    for key, app in apps:
        writes = key.split()[0] in WRITES
        for name in ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since"):
            ignored = writes and not (name == "if-match" and app.ROUTES[key].conditional)
            found = (f"!{name}", "not_available") in [
                (error["pointer"], error["code"])
                for error in (asked(app, key, headers={name: '"1"'})["json"] or {}).get("errors", ())
            ]
            assert found == ignored, (key, name)


def test_a_body_over_the_bound_is_413(apps: Apps) -> None:
    for key, app in apps:
        result = asked(app, key, body=" " * (BODY_BYTES_MAX + 1))
        assert (result["statusCode"], result["json"]["code"]) == (413, "body_too_large"), key


def test_a_body_where_none_is_read_is_refused(apps: Apps) -> None:
    for key, app in apps:
        if app.ROUTES[key].contract is None:
            assert refused(asked(app, key, body='{"effective": "next_period"}')) == [("", "not_allowed")], key


def test_every_path_knows_its_methods(apps: Apps) -> None:
    keys = {key for key, _ in apps}
    for key in keys:
        method, path = key.split()
        assert method in allowed_methods(keys, re.sub(r"\{\w+\}", "some name", path))
    assert allowed_methods(keys, "/v1/nothing") == ()


NUMBERS = ("1e1000000", "1e999999999999999999", "-1e99999999999999999999", "NaN", "Infinity", "1" + "0" * 5_000)
"""As JSON, none of which is a quantity."""


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:24])
def test_a_number_that_is_no_quantity_is_refused_wherever_one_stands(apps: Apps, number: str) -> None:
    """In every field of every contract, also those that take no number."""
    for key, app in apps:
        contract = named(app.ROUTES[key].contract)
        for name in () if contract is None else contract.model_fields:
            for value in (number, f'"{number[:300]}"', f"[{number}]", f'{{"a": {number}}}'):
                result = asked(app, key, body=f'{{"{name}": {value}}}')
                assert result["statusCode"] < 500, (key, name, result)
