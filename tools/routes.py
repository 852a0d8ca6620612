"""The rows of all functions' route tables, and README's table of routes made from them: `python -m tools.routes`."""

from __future__ import annotations

import runpy
import sys
from functools import cache
from pathlib import Path

from tallygate.contracts.base.routes import Row

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- routes: begin -->\n", "<!-- routes: end -->\n"


@cache
def rows() -> dict[str, Row]:
    """Return the rows of all routes by their keys."""
    found: dict[str, Row] = {}
    for table in sorted((ROOT / "functions").glob("*/routes.py")):
        found |= rows_of(table)
    return found


def rows_of(table: Path) -> dict[str, Row]:
    """Return the rows of one function's table, loaded as Lambda does: its folder is the root of its imports."""
    sys.path.insert(0, str(table.parent))
    before = set(sys.modules)
    try:
        found: dict[str, Row] = runpy.run_path(str(table), run_name=f"routes_of_{table.parent.name}")["ROUTES"]
    finally:
        sys.path.remove(str(table.parent))
        for name in set(sys.modules) - before:
            # Another function has modules with the same names.
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(table.parent)):
                del sys.modules[name]
    return found


def listed() -> str:
    """Return the table of routes in Markdown, in the order of their paths."""
    lines = ["| route | scope | headers | what it does |", "| --- | --- | --- | --- |"]
    for row in sorted(rows().values(), key=lambda row: (row.path, row.method)):
        text = f"{row.summary}. {row.note}".replace("{revocation_s}", "60").strip()
        lines.append(f"| `{row.key}` | {row.scope or ''} | {', '.join(_headers(row))} | {text} |")
    return "\n".join(lines) + "\n"


def _headers(row: Row) -> list[str]:
    found = (("`Idempotency-Key`", row.by_key), ("`If-Match`", row.conditional), ("`Prefer`", row.answers.decides))
    return [name for name, has in found if has]


def with_part(page: str, part: str, *, begin: str, end: str) -> str:
    """Return the page with this text between two marks."""
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}{part}{end}{after}"


if __name__ == "__main__":
    README.write_text(with_part(README.read_text(), listed(), begin=BEGIN, end=END))
