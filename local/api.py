"""The public API of a running stack. Prints every request and answer, as the tour shows them."""

import contextlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.client import Client, Json, with_ours
from local.layout import StackError
from local.lifecycle import Handle

WAIT_S = 30
POLL_INTERVAL_S = 0.2
SHOWN_CHARACTERS = 432


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The deployed API with the manage key."""

    handle: Handle

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Json]:
        with contextlib.closing(Client(self.handle.api_url, self.handle.manage_key)) as client:
            reply = client.send(method, path, body)
        return reply.status, reply.json if isinstance(reply.json, dict) else {"body": reply.json}

    def call(self, method: str, path: str, body: Any = None, *, shown: Callable[[Json], Json] | None = None) -> Json:
        """Send the request, print it with its answer, and raise StackError unless it succeeds."""
        print(f"-> {method} {path}" + (f"\n   {compact(body)}" if body is not None else ""))
        status, answer = self.ask(method, path, body)
        show_answer(status, shown(answer) if shown and status == 200 else answer)
        if status >= 300:
            raise StackError(f"{method} {path} answered {status}")
        return answer

    def publish(self, plan: str, ours: Json) -> None:
        """Put our catalog, unless the stack already has its plan. Keep all entries of other catalogs."""
        status, known = self.ask("GET", "/v1/catalog")
        known = known if status == 200 else {}
        if plan in {entry["key"] for entry in known.get("plans", [])}:
            self.call("GET", "/v1/catalog")
        else:
            self.call("PUT", "/v1/catalog", with_ours(known, ours))


def request(method: str, url: str, body: Any, headers: dict[str, str]) -> tuple[int, Json]:
    """Make one HTTP exchange in JSON and return the status and the answer."""
    content = None if body is None else json.dumps(body).encode()
    question = urllib.request.Request(url, content, headers | {"content-type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(question, timeout=WAIT_S) as answer:
            status, content = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, content = error.code, error.read()
    try:
        return status, json.loads(content or b"{}")
    except ValueError:
        return status, {"body": content.decode(errors="replace")}


def await_that(ask: Callable[[], Json], holds: Callable[[Json], bool], what: str) -> Json:
    """Ask until `holds` accepts the answer, and return it. Raises StackError after WAIT_S."""
    deadline = time.monotonic() + WAIT_S
    while not holds(answer := ask()):
        if time.monotonic() > deadline:
            raise StackError(f"Waited {WAIT_S} s without result: {what}. The last answer: {compact(answer)}")
        time.sleep(POLL_INTERVAL_S)
    return answer


def show_answer(status: int, answer: Any) -> None:
    print(f"<- {status} {compact(answer)}", flush=True)


def compact(value: Any) -> str:
    """JSON on one line, cut to SHOWN_CHARACTERS."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]} …"
