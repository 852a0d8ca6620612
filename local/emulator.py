"""MiniStack as a child process: start it on loopback with state on disk, stop it so that it saves its state.

Invariants: it listens on 127.0.0.1 only, and IAM is enforced. Its Lambda workers inherit no environment variable that
could change the functions' behaviour. This module does not know what is deployed on it.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from local.layout import HOST, MINISTACK_PYTHON, REPOSITORY, SAM_PACKAGES, Layout, StackError, port_is_free

if TYPE_CHECKING:
    from pathlib import Path

REGION = "us-east-1"
ACCOUNT = "000000000000"
QUEUE_ADDRESS = re.compile(rf"http://localhost:(\d+)/{ACCOUNT}/")
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60
POLL_INTERVAL_S = 0.05
# Sending webhooks may need the certificates of a company's proxy. Nothing else of the environment is needed.
INHERITED = ("PATH", "HOME", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR")
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    # Never use a profile or a role of this machine for an emulator.
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def start(layout: Layout) -> subprocess.Popen[bytes]:
    """Start the emulator and return once it answers. Raises StackError if the port is taken or it never answers."""
    if not MINISTACK_PYTHON.exists():
        raise StackError("The emulator is not installed: run this through `make run`, or `make tools` once.")
    require_port(layout)
    layout.state.mkdir(parents=True, exist_ok=True)
    layout.scratch.mkdir(parents=True, exist_ok=True)
    forget_stream_positions(layout)
    move_queue_addresses(layout)
    with layout.emulator_log.open("ab") as log:
        process = subprocess.Popen(
            [
                str(MINISTACK_PYTHON),
                "-P",
                str(REPOSITORY / "local" / "emulator_process.py"),
                str(SAM_PACKAGES),
            ],
            env=environment(layout),
            cwd=layout.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C at the terminal reaches this process only. It drains the stream before it stops the emulator.
            start_new_session=True,
        )
    layout.emulator_pid.write_text(f"{process.pid} {layout.port}")
    try:
        await_answer(layout, process)
    except StackError:
        stop(layout, process)
        raise
    return process


def require_port(layout: Layout) -> None:
    if not port_is_free(layout.port):
        raise StackError(
            f"Port {layout.port} is used by another program. Choose another: make run PORT={layout.port + 10}"
        )


def environment(layout: Layout) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return inherited | {
        "GATEWAY_PORT": str(layout.port),
        "BIND_HOST": HOST,
        "AUTH": "true",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "1",
        "S3_PERSIST": "0",
        "STATE_DIR": str(layout.state),
        "TMPDIR": str(layout.scratch),
        "MINISTACK_REGION": REGION,
        "LOG_LEVEL": "WARNING",
        "DOCKER_HOST": "unix:///nonexistent",
        "NO_PROXY": "*",
        "PYTHONDONTWRITEBYTECODE": "1",
        # The functions inherit this. With a profile of this machine, they would call DynamoDB through boto3.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def forget_stream_positions(layout: Layout) -> None:
    """Make the stream's reader begin at the oldest record after a restart.

    The emulator saves the read position of an event source mapping, but not the records. The position would point into
    a stream that starts at zero again, and the first writes would never be delivered.
    """
    path = layout.state / "lambda.json"
    if not path.exists():
        return
    saved = json.loads(path.read_text())
    saved["payload"]["dynamodb_stream_positions"] = {}
    write_whole(path, json.dumps(saved))


def move_queue_addresses(layout: Layout) -> None:
    """Rewrite the address of every queue to the port of this start.

    The emulator files a queue under its address with the port, and reads queues for Lambda by the address with its
    current port. After a change of the port, no message would reach a function. The functions' environment and the
    stack's outputs have the same address. The table has customers' data and is not changed.
    """
    path = layout.state / "sqs.json"
    if not path.exists():
        return
    former = set(QUEUE_ADDRESS.findall(path.read_text())) - {str(layout.port)}
    for file in sorted(layout.state.glob("*.json")) if former else []:
        if file.name == "dynamodb.json":
            continue
        saved = text = file.read_text()
        for port in former:
            text = text.replace(f"http://localhost:{port}/{ACCOUNT}/", f"http://localhost:{layout.port}/{ACCOUNT}/")
        if text != saved:
            write_whole(file, text)


def await_answer(layout: Layout, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StackError(f"The emulator ended during its start; see {layout.emulator_log}")
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{layout.endpoint_url}/_ministack/health", timeout=2),
        ):
            return
        time.sleep(POLL_INTERVAL_S)
    raise StackError(f"The emulator does not answer on port {layout.port}; see {layout.emulator_log}")


def stop(layout: Layout, process: subprocess.Popen[bytes]) -> bool:
    """Stop the emulator and wait until it has saved its state; False if it had to be killed."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    finally:
        layout.emulator_pid.unlink(missing_ok=True)
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """An emulator whose owner was killed. It still runs and has not saved its state."""

    pid: int
    layout: Layout

    def stop(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while is_alive(self.pid) and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL_S)
        self.layout.emulator_pid.unlink(missing_ok=True)


def find_orphan(layout: Layout) -> Orphan | None:
    """The emulator that an earlier run of this folder left behind, on any port; None if there is none."""
    try:
        pid, port = map(int, layout.emulator_pid.read_text().split())
    except (FileNotFoundError, ValueError):
        return None
    # The process id may belong to another program by now.
    command = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    if "emulator_process" not in command.stdout:
        layout.emulator_pid.unlink(missing_ok=True)
        return None
    return Orphan(pid=pid, layout=replace(layout, port=port))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def clients(layout: Layout) -> "Clients":
    return Clients(layout)


class Clients:
    """boto3 clients for one stack's emulator, with the rights of the account's owner."""

    def __init__(self, layout: Layout) -> None:
        self._session = boto3.Session(
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )
        self._endpoint_url = layout.endpoint_url
        self._config = Config(retries={"total_max_attempts": 2}, connect_timeout=5, read_timeout=60)

    def of(self, service: Any) -> Any:
        return self._session.client(service, endpoint_url=self._endpoint_url, config=self._config)


def write_whole(path: "Path", text: str) -> None:
    """Replace a file atomically: a reader sees the old content or the new. Only the owner may read it, from the first
    byte on, since some files hold keys."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(path)
