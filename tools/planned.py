"""Write README's list of planned features that are missing: `python -m tools.planned`."""

from __future__ import annotations

import textwrap

from tools.planned_surface import OTHERS, missing
from tools.routes import README, rows, with_part

BEGIN, END = "<!-- planned: begin -->\n", "<!-- planned: end -->\n"
WIDTH = 120


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


if __name__ == "__main__":
    README.write_text(with_part(README.read_text(), section(frozenset(rows())), begin=BEGIN, end=END))
