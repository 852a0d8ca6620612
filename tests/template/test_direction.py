"""Which part may import which, read off the imports.

layers   app -> contracts -> domain <- storage        operations see domain and the ports of their rooms
rooms    base -> periods -> … -> delivery             in each layer a room imports from those before it, never after
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LAYER = REPOSITORY / "layers" / "tallygate" / "python"

# Per part: the parts of the layer that it may import, and the third parties.
ALLOWED: dict[str, tuple[set[str], set[str]]] = {
    "errors": (set(), set()),
    "domain": ({"domain", "errors"}, set()),
    "contracts": ({"contracts", "domain", "errors"}, {"pydantic", "pydantic_core"}),
    "operations": ({"operations", "domain", "errors"}, set()),
    "storage": ({"storage", "operations", "domain", "errors"}, {"boto3", "botocore"}),
    "delivery": ({"delivery", "domain", "errors"}, {"boto3", "botocore"}),
    # The shell of the functions, which app.py puts together.
    "http": ({"contracts", "domain", "errors", "problems"}, set()),
    "problems": ({"contracts", "errors"}, set()),
    "defects": ({"metrics"}, {"aws_lambda_powertools"}),
    "metrics": (set(), {"aws_lambda_powertools"}),
    "clock": ({"domain", "storage", "errors"}, set()),
}
ROOMS = (
    "base",
    "periods",
    "metering",
    "catalog",
    "limits",
    "entries",
    "admission",
    "facts",
    "journal",
    "corrections",
    "customers",
    "credits",
    "usage",
    "delivery",
)
"""In order: a room imports from those before it."""
ROOMED = ("domain", "contracts", "operations", "storage")
# What concerns every room of its layer lies above them, and no room imports it.
ABOVE_ROOMS = {"operations/aggregate.py", "storage/stream.py", "contracts/openapi.py", "contracts/schemas.py"}
# Alone in the layer these speak to AWS; all else in storage and delivery is pure.
SPEAKERS = {
    "storage/base/boto.py",
    "delivery/queue.py",
    "delivery/bus.py",
    "delivery/invoke.py",
    "delivery/secrets.py",
}
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
            if node.module.startswith(("tallygate", "tests")):
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
def test_a_room_imports_only_from_rooms_before_it(path: Path) -> None:
    layer, *inside = path.relative_to(LAYER / "tallygate").parts
    if layer not in ROOMED or str(path.relative_to(LAYER / "tallygate")) in ABOVE_ROOMS:
        return
    assert len(inside) == 2, "a module lies in a room"
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "tallygate" or len(parts) < 3:
            continue
        if parts[1] == layer:
            assert ROOMS.index(parts[2]) <= ROOMS.index(inside[0]), name
        if layer == "storage" and parts[1] == "operations":
            assert parts[3] == "ports", "storage knows of operations what they ask of it"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Also where Python would bear it."""
    known = {".".join(path.relative_to(LAYER).with_suffix("").parts): path for path in modules()}
    later = {name: {each for each in imports(path) if each in known} for name, path in known.items()}
    while later:
        free = {name for name, needs in later.items() if not needs & later.keys()}
        assert free, f"in a circle: {sorted(later)}"
        later = {name: needs for name, needs in later.items() if name not in free}


def test_each_room_says_what_it_decides_and_which_names_to_read_first() -> None:
    rooms = [room for layer in ROOMED for room in sorted((LAYER / "tallygate" / layer).iterdir()) if room.is_dir()]
    assert {room.name for room in rooms if room.name != "__pycache__"} <= set(ROOMS)
    for room in rooms:
        if room.name == "__pycache__":
            continue
        text = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
        named = re.findall(r"`([a-z_]+)(?:\.(\w+))?`", text.partition("Read first:")[2])
        assert named, room
        for module, name in named:
            source = (room / f"{module}.py").read_text()
            assert not name or re.search(rf"^(class|def) {name}\b|^{name}\b\s*[:=]", source, re.MULTILINE), name


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
