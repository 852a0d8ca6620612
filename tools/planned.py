"""Write README's list of planned features that are missing: `python -m tools.planned`."""

from __future__ import annotations

import runpy
import sys
import textwrap
from pathlib import Path

from tools.planned_surface import OTHERS, missing

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- planned: begin -->\n", "<!-- planned: end -->\n"
WIDTH = 120


def answered() -> frozenset[str]:
    """Return the keys of all routes that the functions answer."""
    found: set[str] = set()
    for table in sorted((ROOT / "functions").glob("*/routes.py")):
        sys.path.insert(0, str(table.parent))
        before = set(sys.modules)
        try:
            found |= set(runpy.run_path(str(table), run_name=f"planned_{table.parent.name}")["ROUTES"])
        finally:
            sys.path.remove(str(table.parent))
            for name in set(sys.modules) - before:
                # Another function has modules with the same names.
                if str(getattr(sys.modules[name], "__file__", "")).startswith(str(table.parent)):
                    del sys.modules[name]
    return frozenset(found)


def section(routes: frozenset[str]) -> str:
    """The list in Markdown, if the functions answer these routes."""
    found = missing(routes)
    parts = {
        "routes": ", ".join(found.routes),
        "fields": "; ".join(found.fields),
        "values": "; ".join(found.values),
        "query parameters": "; ".join(found.parameters),
        "events that leave": ", ".join(found.events),
        "besides": "; ".join(OTHERS),
    }
    lines = [_wrapped(f"- **{name}**: {text}") for name, text in parts.items() if text]
    return "\n".join(lines) + "\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def with_section(readme: str, listed: str) -> str:
    """The README with this list."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{listed}{END}{after}"


if __name__ == "__main__":
    README.write_text(with_section(README.read_text(), section(answered())))
