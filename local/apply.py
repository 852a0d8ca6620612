"""Apply a catalog from a file to a stack. Show the changes and the number of affected customers first.

    make apply FILE=catalog.yaml                                the local stack
    make apply FILE=catalog.json API=https://… KEY=tg_…          any stack
    … DRY=1                                                     only show the changes

The applied changes are the shown changes: the catalog is put with the version that they were computed from. After an
interrupted call, the same command continues.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from local.layout import Layout, StackError
from local.lifecycle import read_handle

TIMEOUT_S = 60
SHOWN_MAX = 200
Json = dict[str, Any]


class _Plain(yaml.SafeLoader):
    """YAML 1.2's core schema: `off` and `no` are text, times are text, and decimals keep their digits."""


_Plain.yaml_implicit_resolvers = {}
for _tag, _form, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _Plain.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_form})$"), _first)
_Plain.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value, 10))
_Plain.add_constructor("tag:yaml.org,2002:float", lambda _, node: Decimal(node.value))


def read_file(path: Path) -> Any:
    """Read a catalog from a YAML or JSON file. Raises StackError."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() == ".json":
            return json.loads(text, parse_float=Decimal)
        return yaml.load(text, _Plain)
    except (OSError, ValueError, ArithmeticError, yaml.YAMLError) as error:
        raise StackError(f"{path} cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class Stack:
    """The stack that receives the catalog: its address and a key with the scope manage."""

    api_url: str
    key: str

    def put(self, catalog: Any, query: str = "", if_match: str | None = None) -> tuple[Json, str]:
        """Put the catalog and return the answer and the ETag. Raises StackError with every broken rule."""
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        if if_match is not None:
            headers["if-match"] = if_match
        url = f"{self.api_url.rstrip('/')}/v1/catalog{query}"
        if not url.startswith(("http://", "https://")):
            raise StackError(f"{self.api_url} is not the address of an API: it must begin with https://")
        request = urllib.request.Request(url, text_of(catalog).encode(), headers, method="PUT")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return json.load(answer), answer.headers["etag"]
        except urllib.error.HTTPError as error:
            with error:
                raise StackError(_refusal(error.code, error.read())) from error
        except OSError as error:
            raise StackError(f"{self.api_url} does not answer: {error}") from error


def text_of(value: Any) -> str:
    """JSON whose numbers keep the digits of the file."""
    match value:
        case dict():
            return "{" + ",".join(f"{json.dumps(str(name))}:{text_of(held)}" for name, held in value.items()) + "}"
        case list():
            return "[" + ",".join(map(text_of, value)) + "]"
        case Decimal():
            return f"{value:f}"
    return json.dumps(value)


def apply(stack: Stack, catalog: Any, *, dry_run: bool) -> None:
    """Show the changes, then apply them unless `dry_run`. Raises StackError."""
    planned, etag = stack.put(catalog, "?dry_run=1")
    if not planned["changes"]:
        print(f"No changes: the stack already has this catalog (version {planned['version']}).")
        return
    for change in planned["changes"][:SHOWN_MAX]:
        print(shown(change))
    if len(planned["changes"]) > SHOWN_MAX:
        print(f"… and {len(planned['changes']) - SHOWN_MAX} more")
    print(f"{len(planned['changes'])} changes, {planned['customers']} customers affected.")
    if dry_run:
        return
    made, _ = stack.put(catalog, if_match=etag)
    print(f"Applied: version {made['version']}.")


def shown(change: Json) -> str:
    """One change on one line."""
    sign = {"added": "+", "changed": "~", "removed": "-"}[change["action"]]
    version = f" version {change['version']}" if "version" in change else ""
    touched = f"   ({change['customers']} customers)" if change["customers"] else ""
    return f"{sign} {change['kind']} {change['key']}{version}{touched}"


def _refusal(status: int, body: bytes) -> str:
    try:
        problem = json.loads(body)
        rules = [f"  {error['pointer'] or '/'}: {error['detail']} ({error['code']})" for error in problem["errors"]]
        return "\n".join([f"Refused ({status} {problem['code']}): {problem['detail']}", *rules])
    except (ValueError, LookupError, TypeError):
        return f"Refused ({status}): {body.decode(errors='replace')[:400]}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.apply", description="Apply a catalog to a stack.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--api", default="", help="the stack's address; default: the local stack")
    parser.add_argument("--key", default="", help="an API key with the scope manage")
    parser.add_argument("--folder", type=Path, default=Path(".local"), help="the local stack's folder")
    parser.add_argument("--dry-run", action="store_true")
    asked = parser.parse_args()
    try:
        apply(_stack(asked), read_file(asked.file), dry_run=asked.dry_run)
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _stack(asked: argparse.Namespace) -> Stack:
    if bool(asked.api) != bool(asked.key):
        raise StackError("Give both API and KEY, or neither for the local stack.")
    if asked.api:
        return Stack(asked.api, asked.key)
    handle = read_handle(Layout(folder=asked.folder.resolve(), port=0))
    if handle is None:
        raise StackError("No local stack is running: start one with `make run DETACH=1`, or give API and KEY.")
    return Stack(handle.api_url, handle.manage_key)


if __name__ == "__main__":
    sys.exit(main())
