"""The README says what is so: its commands, its routes and its paths exist, and no route is missing from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.engine import template

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z]+)", README))))
def test_a_command_of_the_readme_is_a_target_with_a_line_of_help(target: str) -> None:
    assert re.search(rf"^{target}:.*## ", MAKEFILE, re.MULTILINE)


def test_every_public_target_is_in_the_readme() -> None:
    helped = set(re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE))
    assert helped - set(re.findall(r"`make ([a-z]+)", README)) <= {"help", "venv", "tools", "locks"}


def routes_told() -> set[str]:
    """METHOD /path, from the table of routes; a row may name several methods."""
    rows = re.findall(r"^\| `([A-Z, ]+) (/[^` ?]*)[^`]*` \|", README, re.MULTILINE)
    return {f"{method.strip()} {path}" for methods, path in rows for method in methods.split(",")}


def test_the_table_of_routes_is_the_gateways() -> None:
    resources = template()["Resources"].values()
    routes = {r["Properties"]["RouteKey"] for r in resources if r["Type"] == "AWS::ApiGatewayV2::Route"}
    assert routes_told() == routes - {"$default"}


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_a_link_of_the_readme_leads_somewhere(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:functions|layers|events|local|bench|tests|docs)/[^`<]*)`", README)))
)
def test_a_path_of_the_readme_exists(path: str) -> None:
    assert (ROOT / path).exists()
