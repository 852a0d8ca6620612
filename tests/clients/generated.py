"""Clients generated from an OpenAPI document, by generators of their own environments."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TOOLS = ROOT / ".local" / "clients" / "bin"
NODE_MODULES = ROOT / "tests" / "node_modules"

CATALOG: dict[str, list[dict[str, Any]]] = {
    "meters": [
        {"key": "generated", "event_type": "generated.used", "aggregation": "sum", "value": "$.n"},
        {"key": "reported", "event_type": "generated.reported", "aggregation": "sum", "value": "$.n"},
    ],
    "features": [{"key": "generated", "type": "metered", "meter": "generated"}],
    "plans": [
        {"key": "generated", "entitlements": [{"feature": "generated", "limit": 10, "period": {"every": "month"}}]},
    ],
}
"""The catalog with which python_client.py works."""


def ran(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command and return what it wrote. An error or a warning fails the test."""
    environment = {**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}", **environment}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "warning" not in said.lower(), said
    return said


def written(document: dict[str, Any], folder: Path) -> Path:
    path = folder / "openapi.json"
    path.write_text(json.dumps(document))
    return path


def python_client(document: dict[str, Any], folder: Path) -> Path:
    """Generate the Python client into the folder, with the script that uses it. Return the script."""
    path, target = written(document, folder), folder / "tallygate_api"
    ran(
        TOOLS / "openapi-python-client",
        *("generate", "--path", path, "--output-path", target, "--meta", "none", "--fail-on-warning"),
        cwd=folder,
    )
    return Path(shutil.copy(HERE / "python_client.py", folder))


def typed(folder: Path) -> None:
    """Check the types of the client and of the script, by mypy in strict mode.

    client.py is the generator's own text, the same for every document, and does not pass.
    """
    (folder / "mypy.ini").write_text("[mypy]\nstrict = true\n[mypy-tallygate_api.client]\nignore_errors = true\n")
    ran(TOOLS / "mypy", "--no-error-summary", "-m", "python_client", "-p", "tallygate_api", cwd=folder)


def use(script: Path, url: str, key: str, customer: str, *more: str) -> None:
    """Run the script that uses the client."""
    ran(TOOLS / "python", script, url, key, customer, *more, cwd=script.parent)


def typescript_types(document: dict[str, Any], folder: Path) -> None:
    """Generate the TypeScript types, and compile the file that uses them."""
    path, node = written(document, folder), shutil.which("node") or str(ROOT / ".local" / "node" / "bin" / "node")
    ran(
        node,
        NODE_MODULES / "openapi-typescript" / "bin" / "cli.js",
        path,
        "-o",
        folder / "api.d.ts",
        cwd=folder,
    )
    used = shutil.copy(HERE / "typescript_client.ts", folder)
    options = ("--strict", "--noEmit", "--exactOptionalPropertyTypes", "--target", "es2022", "--moduleResolution")
    ran(node, NODE_MODULES / "typescript" / "bin" / "tsc", *options, "bundler", "--module", "esnext", used, cwd=folder)
