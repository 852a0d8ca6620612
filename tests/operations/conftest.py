"""What holds in every test of the operations."""

from __future__ import annotations

import pytest

from tests.facts_kept import keep_all


@pytest.fixture(autouse=True)
def facts_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every event that leaves has the contract of its type."""
    keep_all(monkeypatch)
