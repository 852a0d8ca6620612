"""Functions as Lambda loads them: a new import of app.py with its environment, over the real engine's table."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.engine import Dynoxide
from bench.functions import environment, loaded
from tests.facts_kept import keep_all
from tests.functions.answers_kept import keeping
from tests.functions.managing import CATALOG, Client

EVENTS = Path(__file__).parents[2] / "events"
LoadApp = Callable[..., ModuleType]


@pytest.fixture
def load_app(dynoxide: Dynoxide, table: str) -> Iterator[LoadApp]:
    """`load_app(verb, NAME=value)` imports functions/<verb>/app.py. Its environment lasts until the test ends.

    Every answer that the test gets is held to its contract.
    """
    with contextlib.ExitStack() as held:

        def load(verb: str, **variables: str) -> ModuleType:
            app = held.enter_context(loaded(verb, {**environment(verb, dynoxide.url, table), **variables}))
            if hasattr(app, "ROUTES"):
                setattr(app, "handler", keeping(app))  # noqa: B010  # a module of any name
            return app

        yield load


def sample(name: str) -> dict[str, Any]:
    """A sample event of events/."""
    found: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return found


@pytest.fixture
def app(load_app: LoadApp) -> ModuleType:
    """The manage function. Tests of other functions override this fixture."""
    return load_app("manage", RESET_FUNCTION="the-reset", DELIVER_FUNCTION="the-deliver")


@pytest.fixture
def call(app: ModuleType) -> Client:
    return Client(app)


@pytest.fixture
def acme(call: Client) -> Client:
    """A client, with a customer acme on the sample catalog's plan."""
    assert call("PUT", "/v1/catalog", CATALOG)["statusCode"] == 200
    assert call("PUT", "/v1/customers/{customer}", {"plan": "tour"}, customer="acme")["statusCode"] == 201
    return call


@pytest.fixture(autouse=True)
def facts_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every event that leaves has the contract of its type."""
    keep_all(monkeypatch)
