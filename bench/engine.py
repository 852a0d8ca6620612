"""A real DynamoDB engine on this machine: Dynoxide, with the table that the template describes.

The table's keys, index and stream are read from template.yaml, so that no second schema exists.
"""

from __future__ import annotations

import contextlib
import platform
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml

from tallygate.storage.base.boto import BotoClient, client_config
from tallygate.storage.base.client import HttpClient, endpoint_of
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.signing import Credentials

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS_MAX = 20
_NODE_ARCHITECTURE = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


class EngineMissing(RuntimeError):
    """The Dynoxide binary is not installed; `make test` installs it."""


def binary() -> Path:
    """The path at which npm installed the engine of this platform."""
    architecture = _NODE_ARCHITECTURE.get(platform.machine().lower(), platform.machine())
    found = ROOT / "tests/node_modules/@dynoxide" / f"{platform.system().lower()}-{architecture}" / "dynoxide"
    if not found.exists():
        raise EngineMissing(f"{found.relative_to(ROOT)} is missing: run `make dynoxide`")
    return found


@dataclass(slots=True)
class Dynoxide:
    """A running engine. `database` None keeps everything in memory."""

    port: int
    process: subprocess.Popen[bytes]
    database: Path | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.process.kill()
        self.process.wait()


def start(database: Path | None = None, port: int | None = None) -> Dynoxide:
    """Start an engine and wait until it answers."""
    port = port or free_port()
    command = [str(binary()), "serve", "--port", str(port)]
    if database is not None:
        command += ["--db-path", str(database)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    engine = Dynoxide(port, process, database)
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"dynoxide ended at once with exit code {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return engine
        time.sleep(0.02)
    raise RuntimeError("dynoxide did not answer in time")


@contextlib.contextmanager
def running(database: Path | None = None) -> Iterator[Dynoxide]:
    """Run an engine during a `with` block."""
    engine = start(database)
    try:
        yield engine
    finally:
        engine.kill()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def client(url: str, service: str = "dynamodb") -> Any:
    """A client as the functions make it, for a local engine without credentials."""
    return boto3.client(
        service,  # type: ignore[call-overload]  # one of two services by name
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=client_config(),
    )


def small_client(url: str) -> HttpClient:
    """The client that the functions of the hot path use, for a local engine."""
    endpoint = endpoint_of(url)
    assert endpoint is not None, url
    credentials = Credentials("local", "local")
    return HttpClient(endpoint, "us-east-1", lambda: credentials)


def engine_at(url: str, table: str, *, boto3: bool = False) -> DynamoEngine:
    """The storage engine over a table, through the small client or through boto3."""
    return DynamoEngine(BotoClient(client(url)) if boto3 else small_client(url), table)


class _Template(yaml.SafeLoader):
    """YAML with CloudFormation's short intrinsic functions, which are not evaluated."""


_Template.add_multi_constructor("!", lambda _loader, suffix, node: {suffix: getattr(node, "value", None)})


def template() -> dict[str, Any]:
    """template.yaml as data; intrinsic functions become {name: …}."""
    loaded: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(), Loader=_Template)
    return loaded


def create_table(dynamodb: Any, name: str) -> str:
    """Create the template's table under a name, without what only AWS has (recovery, TTL, protection, bounds)."""
    properties = template()["Resources"]["Table"]["Properties"]
    kept = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    for index in properties["GlobalSecondaryIndexes"]:
        index.pop("OnDemandThroughput")
    stream = {"StreamEnabled": True, **properties["StreamSpecification"]}
    dynamodb.create_table(TableName=name, StreamSpecification=stream, **{key: properties[key] for key in kept})
    return name
