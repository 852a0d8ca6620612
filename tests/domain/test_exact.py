"""There is one decimal context, which is exact, and nothing in the project computes in another."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal, getcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallygate.domain.base.exact import EXACT

REPOSITORY = Path(__file__).resolve().parents[2]
LAYER = REPOSITORY / "layers" / "tallygate" / "python"
SOURCES = sorted((*(LAYER / "tallygate").rglob("*.py"), *(REPOSITORY / "functions").rglob("*.py")))
HOME = LAYER / "tallygate" / "domain" / "base" / "exact.py"
READER = LAYER / "tallygate" / "domain" / "quantities.py"
"""Says how what comes in is rounded (SEMANTICS.md, "Quantities")."""
CONTEXTS = {
    "Context",
    "DefaultContext",
    "BasicContext",
    "ExtendedContext",
    "getcontext",
    "setcontext",
    "localcontext",
    "IEEEContext",
}
ROUNDING = {"quantize", "to_integral_value", "to_integral", "to_integral_exact"}
QUOTIENTS = {
    # Calendar arithmetic over whole numbers.
    ("boundaries.py", "step.count / 12"),
    ("boundaries.py", "step.count / (24 * HOUR)"),
    # A path.
    ("connect.py", "Path(home) / usual"),
}
DIGITS_38 = st.integers(-(10**38) + 1, 10**38 - 1)


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_module_has_a_decimal_context_of_its_own(path: Path) -> None:
    if path == HOME:
        return
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module == "decimal":
            assert not CONTEXTS & {alias.name for alias in node.names}, f"line {node.lineno}: use domain.exact"
        if isinstance(node, ast.Import):
            assert "decimal" not in {alias.name for alias in node.names}, f"line {node.lineno}: import its names"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_whatever_rounds_says_how(path: Path) -> None:
    """A quotient is made by EXACT.divide, whose digits are then rounded by name; never by the context's default."""
    for node in nodes(path):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            assert (path.name, ast.unparse(node)) in QUOTIENTS, f"line {node.lineno}: {ast.unparse(node)}"
        if path == READER or not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in ROUNDING:
            assert "rounding" in {keyword.arg for keyword in node.keywords}, f"line {node.lineno}: rounds by default"


def test_the_context_is_exact_in_every_thread() -> None:
    with ThreadPoolExecutor(2) as pool:
        found = [getcontext().prec, *pool.map(lambda _: getcontext().prec, range(4))]
    assert set(found) == {EXACT.prec}


@pytest.mark.parametrize(
    "module", ["tallygate.domain.base.quantities", "tallygate.storage.base.dynamo", "tallygate.http"]
)
def test_whatever_of_the_layer_is_imported_first_computes_exactly(module: str) -> None:
    """Also on the thread that computed before, and on one that begins after."""
    program = (
        "import decimal, threading; decimal.Decimal(1) / 3\n"
        f"import {module}\n"
        "found = [decimal.getcontext().prec]\n"
        "thread = threading.Thread(target=lambda: found.append(decimal.getcontext().prec))\n"
        "thread.start(); thread.join(); print(found)"
    )
    path = [str(LAYER), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str([EXACT.prec] * 2)


@given(DIGITS_38, DIGITS_38, st.integers(-9, 0))
def test_sums_differences_and_products_of_38_digits_are_exact(one: int, other: int, exponent: int) -> None:
    """Against whole numbers, which know no context."""
    first, second = (Decimal(number).scaleb(exponent) for number in (one, other))

    def whole(value: Decimal, scale: int) -> int:
        sign, digits, power = value.as_tuple()
        assert isinstance(power, int)
        number: int = int("".join(map(str, digits))) * 10 ** (power - scale)
        return -number if sign else number

    assert whole(first + second, exponent) == one + other
    assert whole(first - second, exponent) == one - other
    assert whole(first * second, 2 * exponent) == one * other
    assert whole(sum([first, second, first], Decimal(0)), exponent) == 2 * one + other
