"""The README says what is so: its commands, its routes and its paths exist, and no route is missing from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.routes import BEGIN, END, listed

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z]+)", README))))
def test_a_command_of_the_readme_is_a_target_with_a_line_of_help(target: str) -> None:
    assert re.search(rf"^{target}:.*## ", MAKEFILE, re.MULTILINE)


def test_every_public_target_is_in_the_readme() -> None:
    helped = set(re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE))
    assert helped - set(re.findall(r"`make ([a-z]+)", README)) <= {"help", "venv", "tools", "locks"}


def test_the_table_of_routes_is_made_from_the_rows() -> None:
    """The gateway's routes are held to the same rows by tests/template/test_routes.py."""
    assert README.partition(BEGIN)[2].partition(END)[0] == listed(), "run: python -m tools.routes"


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_a_link_of_the_readme_leads_somewhere(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:functions|layers|events|local|bench|tests|docs)/[^`<]*)`", README)))
)
def test_a_path_of_the_readme_exists(path: str) -> None:
    assert (ROOT / path).exists()
