"""Query parameters by their declaration: families, names and identifiers."""

from __future__ import annotations

import pytest

from tallygate.contracts.base.requests import broken_query
from tools.routes import rows

USAGE = rows()["GET /v1/usage"].query


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("groupby", "a", "unknown_field"),
        ("filter", "a", "unknown_field"),
        ("filter[]", "a", "unknown_field"),
        ("filters[model]", "a", "unknown_field"),
        (f"filter[{'x' * 65}]", "a", "unknown_field"),
        ("filter[model]", "e\u0301", "invalid"),
        ("filter[model]", "", "length"),
        ("customer", "..", "invalid"),
        ("feature", "", "length"),
        ("meter", "a/b", "invalid"),
        ("\ud800", "a", "unknown_field"),
    ],
)
def test_a_bad_parameter_is_named(name: str, value: str, code: str) -> None:
    (error,) = broken_query(USAGE, {name: value}, ())
    assert error.code == code
    assert error.pointer == f"?{name}".encode("utf-8", "backslashreplace").decode()
    error.pointer.encode()


def test_a_filter_is_by_any_dimension() -> None:
    asked = {"customer": "acme", "feature": "x", "filter[model]": "a/b", "filter[team]": "é", "group_by": "model"}
    assert broken_query(USAGE, asked, ()) == ()


def test_a_route_without_a_declaration_takes_none() -> None:
    (error,) = broken_query({}, {"dry_run": "1"}, ())
    assert (error.pointer, error.code) == ("?dry_run", "unknown_field")
