"""Start and stop a local stack, as one context manager.

Invariants: a folder has at most one running stack, and the handle exists exactly while the stack can be used. The exit
closes the intake, lets aggregation catch up and saves the emulator's state, in this order.
"""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import Popen
from typing import TextIO

from local import deploy, drain, emulator, keys
from local.emulator import Clients, write_whole
from local.inbox import Arrival, Inbox
from local.layout import Layout, StackError, free_port, port_is_free
from tallygate.storage.base.documents import STORED_FORM

OWNER_TIMEOUT_S = 2
POLL_INTERVAL_S = 0.02

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """The content of stack.json: everything that a script needs to use the stack."""

    api_url: str
    manage_key: str
    ingest_key: str
    check_key: str
    inbox_url: str
    portal_url: str | None
    endpoint_url: str
    table: str
    bus: str
    queue_url: str
    functions: dict[str, str]
    pid: int


class AlreadyRunning(StackError):
    """This folder's stack is running, or starting, in another process."""

    def __init__(self, pid: int, handle: Handle | None) -> None:
        self.pid = pid
        self.handle = handle
        where = f"at {handle.api_url}" if handle else "and not ready yet"
        super().__init__(f"The local stack is already running {where} (process {pid}). `make stop` stops it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A stack that is ready."""

    handle: Handle
    process: Popen[bytes]
    clients: Clients


@contextmanager
def running(
    layout: Layout, say: Say, announce: Callable[[Arrival], None], *, afresh: bool = False
) -> Iterator[Running]:
    """Run the stack during the block. `afresh` removes its state first."""
    with owned(layout):
        clean_up_after_a_kill(layout, say)
        if afresh:
            remove_state(layout, say)
        require_readable(layout)
        fresh = not (layout.state / "dynamodb.json").exists()
        emulator.require_port(layout)
        built = build(say)
        say(f"starting the emulator on {layout.endpoint_url}")
        process = emulator.start(layout)
        try:
            clients = Clients(layout)
            say("deploying" if fresh else "deploying, if anything has changed")
            outputs = deploy.deploy(layout, clients, built)
            inbox = Inbox(inbox_port(layout), layout.inbox, announce)
            handle = describe(layout, outputs, keys.bootstrap(layout, clients, outputs["TableName"]), inbox)
            drain.open_intake(clients, outputs)
            write_whole(layout.handle, json.dumps(asdict(handle), indent=2) + "\n")
            try:
                yield Running(handle=handle, process=process, clients=clients)
            finally:
                layout.handle.unlink(missing_ok=True)
                if process.poll() is None:
                    settle(clients, outputs, say)
                else:
                    say("the emulator ended unexpectedly; unsaved data is lost")
                inbox.close()
        finally:
            say("saving the state")
            if not emulator.stop(layout, process):
                say("the emulator did not stop in time and was killed; unsaved data is lost")


def build(say: Say) -> Path:
    if not deploy.is_built():
        say("building the functions and layers")
    return deploy.build()


def settle(clients: Clients, outputs: dict[str, str], say: Say) -> None:
    """Close the intake and wait until all data in transit has arrived."""
    say("closing the intake and waiting for aggregation")
    drain.close_intake(clients, outputs)
    if not drain.drain_stream(clients, outputs["TableName"]):
        say(f"aggregation did not catch up within {drain.PROBE_TIMEOUT_S} s; some usage may be missing in totals")


@contextmanager
def owned(layout: Layout) -> Iterator[None]:
    """Hold the folder's lock. Raises AlreadyRunning if another process holds it."""
    layout.folder.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(owner_of(lock), read_handle(layout)) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def owner(layout: Layout) -> int | None:
    """The process that runs this folder's stack; None if no process does."""
    if not layout.lock.exists():
        return None
    with layout.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return owner_of(lock)
    return None


def owner_of(lock: TextIO) -> int:
    """The process that holds the lock. A process writes its id just after it has taken the lock.

    An empty file must never be read as 0: kill(0) would kill the caller's whole process group.
    """
    deadline = time.monotonic() + OWNER_TIMEOUT_S
    while time.monotonic() < deadline:
        lock.seek(0)
        if text := lock.read():
            return int(text)
        time.sleep(POLL_INTERVAL_S)
    raise StackError(f"Another process holds {lock.name} and has not written its id.")


def clean_up_after_a_kill(layout: Layout, say: Say) -> None:
    """Remove what a killed run left behind. The caller holds the lock, so no stack of this folder is running."""
    layout.handle.unlink(missing_ok=True)
    if orphan := emulator.find_orphan(layout):
        say("stopping the emulator of an earlier, killed run")
        clients = Clients(orphan.layout)
        if outputs := deploy.deployed_outputs(clients):
            settle(clients, outputs, say)
        orphan.stop()
    shutil.rmtree(layout.scratch, ignore_errors=True)


def remove_state(layout: Layout, say: Say) -> None:
    """Remove the stack's stored state and the files that belong to it."""
    say("removing the state of earlier runs")
    shutil.rmtree(layout.state, ignore_errors=True)
    for kept in (layout.keys, layout.deployed, layout.toured, layout.stored_form):
        kept.unlink(missing_ok=True)


def require_readable(layout: Layout) -> None:
    """Record the stored form of a new state. Raises StackError if an existing state has another form."""
    form = str(STORED_FORM)
    if not layout.state.exists():
        write_whole(layout.stored_form, form)
    elif not layout.stored_form.exists() or layout.stored_form.read_text() != form:
        raise StackError(
            f"The state in {layout.folder} was stored by another version of Tallygate. This version cannot read it.\n"
            "`make run FRESH=1` removes it and starts again; `make run STATE=<another folder>` keeps it."
        )


def inbox_port(layout: Layout) -> int:
    """The inbox's port. It stays the same in later runs, so that registered endpoints work on any port of the emulator.

    The first choice is the port after the emulator's.
    """
    if not layout.inbox_port.exists():
        beside = layout.port + 1
        write_whole(layout.inbox_port, str(beside if port_is_free(beside) else free_port()))
    known = int(layout.inbox_port.read_text())
    return known if port_is_free(known) else free_port()


def describe(layout: Layout, outputs: dict[str, str], api_keys: dict[str, str], inbox: Inbox) -> Handle:
    ending = "FunctionName"
    return Handle(
        api_url=f"{layout.endpoint_url}/_aws/execute-api/{outputs['ApiId']}/$default",
        **api_keys,
        inbox_url=inbox.url,
        portal_url=None,
        endpoint_url=layout.endpoint_url,
        table=outputs["TableName"],
        bus=outputs["BusName"],
        queue_url=outputs["QueueUrl"],
        functions={
            name.removesuffix(ending).lower(): value for name, value in outputs.items() if name.endswith(ending)
        },
        pid=os.getpid(),
    )


def read_handle(layout: Layout) -> Handle | None:
    """The handle of the stack that runs in this folder; None if no stack runs."""
    with suppress(FileNotFoundError):
        return Handle(**json.loads(layout.handle.read_text()))
    return None
