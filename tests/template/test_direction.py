"""Which part may import which, read off the imports.

app -> contracts -> domain <- storage        operations see domain and the Store's protocol only
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LAYER = REPOSITORY / "layers" / "tallygate" / "python"

# The Store's protocols.
STORES = {"store", "control_store", "fold_store", "decision_store"}
# Per part: the parts of the layer that it may import, and the third parties.
ALLOWED: dict[str, tuple[set[str], set[str]]] = {
    "errors": (set(), set()),
    "domain": ({"domain", "errors"}, set()),
    "contracts": ({"contracts", "domain", "errors"}, {"pydantic", "pydantic_core"}),
    **{store: ({"domain", "errors"} | STORES, set()) for store in STORES},
    "operations": ({"operations", "domain", "errors"} | STORES, set()),
    "storage": ({"storage", "domain", "errors"} | STORES, {"boto3", "botocore"}),
    "delivery": ({"delivery", "domain", "errors"}, {"boto3", "botocore"}),
    # The shell of the functions, which app.py puts together.
    "http": ({"contracts", "domain", "errors"}, set()),
    "defects": ({"metrics"}, {"aws_lambda_powertools"}),
    "metrics": (set(), {"aws_lambda_powertools"}),
    "clock": ({"domain", "storage", "errors"}, set()),
}
# Alone in the layer these speak to AWS; all else in storage and delivery is pure.
SPEAKERS = {"storage/dynamo.py", "delivery/queue.py", "delivery/bus.py", "delivery/invoke.py", "delivery/secrets.py"}
# I/O, time and chance that the domain must be given, never reach for.
IMPURE = {"os", "io", "time", "random", "secrets", "uuid", "socket", "urllib", "http", "subprocess", "logging"}


def modules() -> list[Path]:
    return [path for path in sorted((LAYER / "tallygate").rglob("*.py")) if path.name != "__init__.py"]


def part_of(path: Path) -> str:
    inside = path.relative_to(LAYER / "tallygate")
    return inside.parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module
            yield node.module
            if node.module == "tallygate" or node.module.startswith("tests"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(LAYER / "tallygate")))
def test_a_module_imports_only_what_its_part_may(path: Path) -> None:
    part = part_of(path)
    assert part in ALLOWED, f"say in this test what {part} may import"
    parts, parties = ALLOWED[part]
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "tallygate":
            assert not rest or rest.split(".")[0] in parts, name
        elif top in sys.stdlib_module_names:
            assert part != "domain" or top not in IMPURE, name
        elif not top.startswith("mypy_boto3_"):
            assert top in parties, name
            inside = str(path.relative_to(LAYER / "tallygate"))
            assert top not in {"boto3", "botocore"} or inside in SPEAKERS, f"{name} in {inside}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(LAYER / "tallygate")))
def test_no_module_outgrows_a_reader(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= 500
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno
            assert node.end_lineno - node.lineno < 70, node.name


def test_no_test_is_a_library_of_another() -> None:
    """Shared helpers live in modules of their own, so that a change of one test breaks no other."""
    importers = {
        (str(path.relative_to(REPOSITORY)), name)
        for root in ("tests", "bench", "local")
        for path in (REPOSITORY / root).rglob("*.py")
        if "node_modules" not in path.parts
        for name in imports(path)
        if name.startswith("tests.") and any(part.startswith("test_") for part in name.split("."))
    }
    assert importers == set()


@pytest.mark.parametrize("path", sorted((REPOSITORY / "functions").glob("*/app.py")), ids=lambda p: p.parent.name)
def test_a_composition_root_stays_one(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 60
