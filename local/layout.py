"""The paths of one local stack.

A stack is a folder: two stacks in two folders, on two ports, share nothing but the builds and the tool environments,
which are the same for all.
"""

import socket
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY / ".local"
MINISTACK_PYTHON = SHARED / "ministack" / "bin" / "python"
SAM = SHARED / "sam" / "bin" / "sam"
SAM_PACKAGES = SHARED / "sam" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
UV = SHARED / "uv" / "bin" / "uv"
BUILDS = SHARED / "build"
HOST = "127.0.0.1"
DEFAULT_PORT = 4566


class StackError(Exception):
    """A problem that the user must know of or solve. Its text is printed to the terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One stack: its folder, and the port of its emulator on the loopback interface."""

    folder: Path
    port: int

    @property
    def endpoint_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def stored_form(self) -> Path:
        """The file with the stored form of the state's items."""
        return self.folder / "stored-form"

    @property
    def handle(self) -> Path:
        return self.folder / "stack.json"

    @property
    def keys(self) -> Path:
        return self.folder / "keys.json"

    @property
    def deployed(self) -> Path:
        return self.folder / "deployed.json"

    @property
    def inbox(self) -> Path:
        return self.folder / "inbox.jsonl"

    @property
    def inbox_port(self) -> Path:
        return self.folder / "inbox.port"

    @property
    def toured(self) -> Path:
        return self.folder / "toured"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def emulator_pid(self) -> Path:
        return self.folder / "emulator.pid"

    @property
    def emulator_log(self) -> Path:
        return self.folder / "emulator.log"

    @property
    def run_log(self) -> Path:
        return self.folder / "run.log"

    @property
    def scratch(self) -> Path:
        return self.folder / "tmp"


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback interface now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port on which no server listens. Another process may take it before the caller does."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port
