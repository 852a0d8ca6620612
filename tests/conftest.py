"""Engines for the tests: one Dynoxide for the whole run, and a new table or a new memory engine for each test."""

from __future__ import annotations

import uuid
import zoneinfo
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from bench import engine as bench_engine
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Engine
from tallygate.storage.base.memory import MemoryEngine

# As in the functions, where PYTHONTZPATH is empty: only the pinned tzdata package is used.
zoneinfo.reset_tzpath(to=())

# A slow machine is no defect: no example has a deadline.
settings.register_profile("tallygate", deadline=None)
settings.load_profile("tallygate")


@pytest.fixture(scope="session")
def dynoxide() -> Iterator[bench_engine.Dynoxide]:
    """A real engine, in memory."""
    with bench_engine.running() as running:
        yield running


@pytest.fixture(scope="session")
def dynamodb(dynoxide: bench_engine.Dynoxide) -> Any:
    """A client of the real engine."""
    return bench_engine.client(dynoxide.url)


@pytest.fixture
def table(dynamodb: Any) -> str:
    """A fresh table in the real engine."""
    return bench_engine.create_table(dynamodb, f"tallygate-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def dynamo_engine(dynoxide: bench_engine.Dynoxide, table: str) -> DynamoEngine:
    """The storage engine over a fresh table of the real engine, through the small client."""
    return bench_engine.engine_at(dynoxide.url, table)


@pytest.fixture(params=["memory", "dynoxide"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each storage engine in turn: a test must pass on both."""
    if request.param == "memory":
        return MemoryEngine()
    found: DynamoEngine = request.getfixturevalue("dynamo_engine")
    return found
