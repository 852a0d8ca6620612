"""`make demo`: send a real hour of LLM traffic through the running stack and check every token.

    code.csv   sent as events in batches            the totals must equal the file
    conv.csv   consumed row by row, against a hard limit of half of its tokens:
               granted + denied must equal the file, and granted must not exceed the limit

A row's tokens are its prompt tokens plus its generated tokens. The times of code.csv are shifted so that its last row
is now. The shift is stored. So a second run sends the same events, which count nothing again, and the same
Idempotency-Keys, which grant nothing again. The trace is not part of this project: without it, the demo generates a
sample of the same shape and says so.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local.client import Client, Json, with_ours
from local.layout import DEFAULT_PORT, REPOSITORY, Layout, StackError
from local.lifecycle import Handle, read_handle

TRACE = REPOSITORY.parent / "shared" / "data" / "llm-trace"
FIRST_PART = timedelta(minutes=10)
BATCH = 500
THREADS = 8
USERS, TEAMS = 97, 7
SETTLE_SECONDS_MAX = 120
BAR = 40


@dataclass(frozen=True)
class Row:
    """One request of the trace. `number` is its position in the file."""

    number: int
    at: datetime
    tokens: int

    @property
    def dimensions(self) -> dict[str, str]:
        user = self.number % USERS
        return {"user": f"u{user}", "team": f"t{user % TEAMS}"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=REPOSITORY / ".local")
    parser.add_argument("--quick", action="store_true", help="the first ten minutes instead of the whole hour")
    arguments = parser.parse_args()
    layout = Layout(folder=arguments.folder.resolve(), port=DEFAULT_PORT)
    handle = read_handle(layout)
    if handle is None:
        print("No stack is running here. Start one with: make run DETACH=1", file=sys.stderr)
        return 1
    try:
        replay(handle, layout, quick=arguments.quick)
    except StackError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


def replay(handle: Handle, layout: Layout, *, quick: bool) -> None:
    """Send both files and compare the counted usage with them. Raises StackError if they differ."""
    code, conv, name = traffic(quick=quick)
    limit = sum(row.tokens for row in conv) // 2
    customer = f"demo-{name}-{limit}"
    api = Api(handle)
    print(f"# {len(code):,} events and {len(conv):,} requests for {customer}, a hard limit of {limit:,} tokens a month")
    publish(api, customer, limit)
    api.ask("PUT", f"/v1/customers/{customer}", {"name": "Demo", "plan": customer})
    report(api, layout, customer, code)
    check_reported(api, customer, code)
    consumed = consume(api, customer, conv)
    check_consumed(api, customer, conv, limit, consumed)


def traffic(*, quick: bool) -> tuple[list[Row], list[Row], str]:
    """Return (code, conv, a name for the data): the trace, or a sample of its shape."""
    if not TRACE.exists():
        print(f"The trace is not in {TRACE.relative_to(REPOSITORY.parent)}: the demo uses a generated sample.")
        return sample(1, 900, 2_000), sample(2, 2_000, 1_400), "sample"
    code, conv = rows(TRACE / "code.csv"), rows(TRACE / "conv.csv")
    if not quick:
        return code, conv, "hour"
    print("The first ten minutes of the hour.")
    end = min(code[0].at, conv[0].at) + FIRST_PART
    return [row for row in code if row.at < end], [row for row in conv if row.at < end], "ten-minutes"


def rows(path: Path) -> list[Row]:
    """The rows of one file of the trace."""
    with path.open(newline="") as file:
        return [
            Row(
                number,
                datetime.fromisoformat(line["TIMESTAMP"][:26]).replace(tzinfo=UTC),
                int(line["ContextTokens"]) + int(line["GeneratedTokens"]),
            )
            for number, line in enumerate(csv.DictReader(file))
        ]


def sample(seed: int, count: int, mean: int) -> list[Row]:
    """Generate traffic, the same at every run."""
    draw, at = random.Random(seed), datetime(2026, 1, 1, tzinfo=UTC)
    made = []
    for number in range(count):
        at += timedelta(seconds=draw.expovariate(4))
        made.append(Row(number, at, 1 + int(draw.expovariate(1 / mean))))
    return made


def publish(api: Api, plan: str, limit: int) -> None:
    """Add the demo's meters, features and plan to the catalog, unless it has them."""
    known = api.ask("GET", "/v1/catalog")
    if any(entry["key"] == plan for entry in known.get("plans", [])):
        return
    month = {"every": "month"}
    dimensions = {"model": "$.model", "team": "$.team", "user": "$.user"}
    meters = [
        {"key": "demo-tokens", "event_type": "demo.completion", "aggregation": "sum", "value": "$.tokens"},
        {"key": "demo-requests", "event_type": "demo.completion", "aggregation": "count"},
        {"key": "demo-chat-tokens", "event_type": "demo.chat", "aggregation": "sum", "value": "$.tokens"},
    ]
    ours: Json = {
        "meters": [meter | {"dimensions": dimensions} for meter in meters],
        "features": [{"key": meter["key"], "type": "metered", "meter": meter["key"]} for meter in meters],
        "plans": [
            {
                "key": plan,
                "version": 1,
                "entitlements": [
                    {"feature": "demo-tokens", "limit": None, "period": month},
                    {"feature": "demo-requests", "limit": None, "period": month},
                    {"feature": "demo-chat-tokens", "limit": limit, "period": month},
                ],
            }
        ],
    }
    api.ask("PUT", "/v1/catalog", with_ours(known, ours))


def report(api: Api, layout: Layout, customer: str, code: list[Row]) -> None:
    """Post code.csv as events. Its times are shifted so that the last row is at the time of the first run."""
    shift = timedelta(microseconds=kept_shift(layout, customer, code[-1].at))
    events = [
        {
            "id": f"code-{row.number}",
            "type": "demo.completion",
            "subject": customer,
            "time": (row.at + shift).isoformat().replace("+00:00", "Z"),
            "data": {"tokens": row.tokens, "model": "code", **row.dimensions},
        }
        for row in code
    ]
    batches = [events[start : start + BATCH] for start in range(0, len(events), BATCH)]
    statuses: Counter[str] = Counter()
    progress = Progress("events", len(events))
    for batch in batches:
        answer = api.ask("POST", "/v1/events", batch)
        statuses.update(result["status"] for result in answer["results"])
        progress.add(len(batch))
    progress.done(", ".join(f"{count:,} {status}" for status, count in sorted(statuses.items())))
    if statuses["accepted"] + statuses["duplicate"] != len(events):
        raise StackError(f"Of {len(events)} events, some were neither accepted nor duplicates: {dict(statuses)}")


def kept_shift(layout: Layout, customer: str, last: datetime) -> int:
    """Microseconds from the trace's time to the first run, the same for every run on this stack's state."""
    path = layout.folder / "demo.json"
    shifts: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    if customer not in shifts:
        shifts[customer] = (datetime.now(UTC) - last) // timedelta(microseconds=1)
        path.write_text(json.dumps(shifts))
    return shifts[customer]


def check_reported(api: Api, customer: str, code: list[Row]) -> None:
    """Wait until aggregation has caught up, then compare its totals with the file."""
    expected = {"demo-tokens": sum(row.tokens for row in code), "demo-requests": len(code)}
    for meter, value in expected.items():
        path = f"/v1/usage?{urllib.parse.urlencode({'customer': customer, 'meter': meter})}"
        counted = until(lambda path=path: int(api.ask("GET", path)["total"]), value)  # type: ignore[misc]
        print(f"  {meter}: {counted:,} counted, {value:,} in the file")
        if counted != value:
            raise StackError(f"{meter} counted {counted}, the file has {value}")


def until(ask: Callable[[], int], value: int) -> int:
    """Ask until the answer is the value, for at most SETTLE_SECONDS_MAX; return the last answer."""
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    while (answer := ask()) != value and time.monotonic() < deadline:
        time.sleep(0.5)
    return answer


def consume(api: Api, customer: str, conv: list[Row]) -> Counter[str]:
    """Consume every row of conv.csv in order, several at a time; return the tokens by outcome."""
    tokens: Counter[str] = Counter()
    progress, lock = Progress("requests", len(conv)), threading.Lock()

    def one(row: Row) -> None:
        question = {
            "customer": customer,
            "feature": "demo-chat-tokens",
            "amount": row.tokens,
            "dimensions": {"model": "conv", **row.dimensions},
        }
        answer = api.ask("POST", "/v1/consume", question, {"idempotency-key": f"conv-{row.number}"})
        outcome = "replayed" if answer.get("replayed") else "granted" if answer["granted"] else "denied"
        with lock:
            tokens[outcome] += row.tokens
            progress.add(1)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, conv))
    progress.done(", ".join(f"{count:,} tokens {outcome}" for outcome, count in sorted(tokens.items())))
    return tokens


def check_consumed(api: Api, customer: str, conv: list[Row], limit: int, tokens: Counter[str]) -> None:
    """Compare the decisions with the file, the limit and the counter."""
    total = sum(row.tokens for row in conv)
    state = api.ask("POST", "/v1/check", {"customer": customer, "feature": "demo-chat-tokens", "amount": 0})
    granted = tokens["granted"] + tokens["replayed"]
    print(f"  demo-chat-tokens: {state['used']:,} used of {limit:,}; {granted:,} granted + {tokens['denied']:,} denied")
    if granted + tokens["denied"] != total:
        raise StackError(f"granted + denied is {granted + tokens['denied']}, the file has {total}")
    if granted > limit or state["used"] != granted:
        raise StackError(f"granted {granted}, used {state['used']}, limit {limit}")


class Api:
    """The deployed API with the manage key. Retries retryable answers; any other failure ends the demo."""

    def __init__(self, handle: Handle) -> None:
        self._client = Client(handle.api_url, handle.manage_key)

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Json:
        reply = self._client.settled(method, path, body, headers)
        if not reply.good:
            raise StackError(f"{method} {path} answered {reply.status}: {json.dumps(reply.json)[:400]}")
        answer: Json = reply.json
        return answer


class Progress:
    """A progress bar, drawn at most ten times a second. Without a terminal, only its last line is printed."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0
        self._started, self._drawn = time.monotonic(), 0.0

    def add(self, count: int) -> None:
        self._done += count
        if sys.stdout.isatty() and time.monotonic() - self._drawn > 0.1:
            self._drawn = time.monotonic()
            print(f"\r  {self._bar()}", end="", flush=True)

    def done(self, outcome: str) -> None:
        start = "\r" if sys.stdout.isatty() else ""
        print(f"{start}  {self._bar()}\n  {outcome}", flush=True)

    def _bar(self) -> str:
        full = BAR * self._done // max(1, self._total)
        seconds = time.monotonic() - self._started
        speed = self._done / seconds if seconds else 0
        bar = f"[{'#' * full}{'.' * (BAR - full)}]"
        return f"{self._what} {bar} {self._done:,}/{self._total:,} {speed:,.0f}/s {seconds:.0f} s"


if __name__ == "__main__":
    sys.exit(main())
