"""Functions as Lambda would load them: app.py imported afresh with its environment, against the real engine's table."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.engine import Dynoxide

FUNCTIONS = Path(__file__).parents[2] / "functions"
EVENTS = Path(__file__).parents[2] / "events"
LoadApp = Callable[..., ModuleType]


@pytest.fixture
def load_app(dynoxide: Dynoxide, table: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoadApp]:
    """`load_app(verb, NAME=value)` imports functions/<verb>/app.py; its modules are forgotten after the test."""
    added: set[str] = set()

    def load(verb: str, **environment: str) -> ModuleType:
        defaults = {
            "AWS_ENDPOINT_URL": dynoxide.url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": "us-east-1",
            "TABLE_NAME": table,
            "POWERTOOLS_SERVICE_NAME": verb,
            "POWERTOOLS_METRICS_NAMESPACE": "Tallygate",
        }
        for name, value in {**defaults, **environment}.items():
            monkeypatch.setenv(name, value)
        forget()
        monkeypatch.syspath_prepend(str(FUNCTIONS / verb))
        before = set(sys.modules)
        app = importlib.import_module("app")
        added.update({name for name in set(sys.modules) - before if _is_of(sys.modules[name])})
        return app

    def forget() -> None:
        for name in added:
            sys.modules.pop(name, None)
        added.clear()

    yield load
    forget()


def _is_of(module: ModuleType) -> bool:
    return str(FUNCTIONS) in str(getattr(module, "__file__", None))


def sample(name: str) -> dict[str, Any]:
    """A sample event of events/."""
    found: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return found
