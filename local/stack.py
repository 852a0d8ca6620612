"""The command behind `make run`, `make stop` and `make logs`.

python -m local.stack run --port 4566 --folder .local [--detach] [--no-tour] [--fresh]
python -m local.stack stop --folder .local [--quiet]
python -m local.stack logs --folder .local [--function check]
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from local import logs, tour
from local.inbox import Arrival
from local.layout import DEFAULT_PORT, REPOSITORY, Layout, StackError
from local.lifecycle import (
    AlreadyRunning,
    Handle,
    clean_up_after_a_kill,
    owned,
    owner,
    read_handle,
    running,
)

POLL_INTERVAL_S = 0.1
STOP_TIMEOUT_S = 180
PORT_MAX = 65_535
STARTED = time.monotonic()


def main() -> int:
    arguments = parse()
    layout = Layout(folder=arguments.folder.resolve(), port=arguments.port)
    try:
        if arguments.command == "stop":
            return stop(layout, quiet=arguments.quiet)
        if arguments.command == "logs":
            logs.show(layout, arguments.function)
            return 0
        if arguments.detach:
            return run_detached(layout, with_tour=not arguments.no_tour, afresh=arguments.fresh)
        return run(layout, with_tour=not arguments.no_tour, quiet=arguments.quiet, afresh=arguments.fresh)
    except AlreadyRunning as running_already:
        return report_running(running_already, layout)
    except StackError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.stack")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("run", "stop", "logs"):
        command = commands.add_parser(name)
        command.add_argument("--folder", type=Path, default=REPOSITORY / ".local")
        command.add_argument("--port", type=port, default=DEFAULT_PORT)
        command.add_argument("--detach", action="store_true")
        command.add_argument("--no-tour", action="store_true")
        command.add_argument("--quiet", action="store_true")
        command.add_argument("--fresh", action="store_true")
        command.add_argument("--function")
    return parser.parse_args()


def port(text: str) -> int:
    """Parse a port. The next port must exist too, for the inbox."""
    number = int(text)
    if not 1 <= number < PORT_MAX:
        raise argparse.ArgumentTypeError(f"choose a port from 1 to {PORT_MAX - 1}")
    return number


def run(layout: Layout, *, with_tour: bool, quiet: bool, afresh: bool = False) -> int:
    """Run the stack in this process until a signal stops it."""
    signal.signal(signal.SIGTERM, interrupt)
    try:
        with running(layout, say, announce, afresh=afresh) as stack:
            try:
                say(f"ready: {stack.handle.api_url}")
                if with_tour:
                    walk(stack.handle, layout)
                if not quiet:
                    print(invitation(stack.handle), flush=True)
                while stack.process.poll() is None:
                    time.sleep(POLL_INTERVAL_S)
            finally:
                # The shutdown must finish: a second Ctrl-C would lose data in transit.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                print(flush=True)
            return 1
    except KeyboardInterrupt:
        say("stopped; the state is kept for the next `make run`")
        return 0


def walk(handle: Handle, layout: Layout) -> bool:
    """Perform the tour and return whether it succeeded. After a failure the stack keeps running for inspection."""
    try:
        tour.walk(handle, layout)
    except StackError as error:
        print(f"\nThe tour stopped: {error}\n`make logs` shows what the functions logged.", file=sys.stderr)
        return False
    return True


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def run_detached(layout: Layout, *, with_tour: bool, afresh: bool = False) -> int:
    """Start the stack in its own process and return once it can be used."""
    if pid := owner(layout):
        raise AlreadyRunning(pid, read_handle(layout))
    layout.folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "local.stack", "run", "--no-tour", "--quiet"]
    command += ["--port", str(layout.port), "--folder", str(layout.folder)]
    command += ["--fresh"] if afresh else []
    with layout.run_log.open("w") as log:
        child = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    with layout.run_log.open() as log:
        while (handle := read_handle(layout)) is None or handle.pid != child.pid:
            print(log.read(), end="", flush=True)
            if child.poll() is not None:
                print(log.read(), end="", file=sys.stderr)
                return child.returncode or 1
            time.sleep(POLL_INTERVAL_S)
        print(log.read(), end="", flush=True)
    shown = True
    if with_tour:
        shown = walk(handle, layout)
    print(invitation(handle))
    return 0 if shown else 1


def stop(layout: Layout, *, quiet: bool) -> int:
    """Stop the stack of this folder and wait until its process has ended."""
    pid = owner(layout)
    if pid is None:
        if layout.lock.exists():
            with owned(layout):
                clean_up_after_a_kill(layout, say)
        if not quiet:
            print("No local stack is running.")
        return 0
    say(f"stopping the local stack (process {pid})")
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while owner(layout) == pid:
        if time.monotonic() > deadline:
            raise StackError(f"The stack has not stopped within {STOP_TIMEOUT_S} s; see {layout.run_log}")
        time.sleep(POLL_INTERVAL_S)
    say("stopped; the state is kept for the next `make run`")
    return 0


def report_running(found: AlreadyRunning, layout: Layout) -> int:
    """Report the running stack; 0 if it runs on the requested port, else 1."""
    print(found)
    handle = found.handle
    if handle and handle.endpoint_url == layout.endpoint_url:
        return 0
    print("A folder holds one stack. Start another in its own folder: make run STATE=.local/second PORT=…")
    return 1


def say(text: str) -> None:
    print(f"{time.monotonic() - STARTED:6.1f} s  {text}", flush=True)


def announce(arrival: Arrival) -> None:
    print(tour.arrival_line(arrival), flush=True)


def invitation(handle: Handle) -> str:
    return f"""
Ready. `make stop` stops the stack; in the foreground, Ctrl-C does too. Scripts find it by stack.json in its folder.

  API={handle.api_url!r}
  KEY={handle.manage_key}
  curl -s "$API/v1/health"
  curl -s -H "Authorization: Bearer $KEY" "$API/v1/catalog"
  curl -s -H "Authorization: Bearer $KEY" -X PUT -d '{{"plan": "tour"}}' "$API/v1/customers/acme"
  curl -s -H "Authorization: Bearer $KEY" -d '{{"customer": "acme", "feature": "images"}}' "$API/v1/consume"
  curl -s {handle.inbox_url}    the webhooks that the inbox received
"""


if __name__ == "__main__":
    sys.exit(main())
