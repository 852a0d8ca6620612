"""`python -m bench.price`: what decisions and events cost on AWS and how many a table takes, from `make bench`.

It prints the tables of docs/cost.md and docs/scale.md, and `--write` puts them there. The sections EXACT follow from
requests and units; a test compares them with the code. The others have times and bytes, which depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.given import ROOT
from tallygate.domain.base.instants import DAY
from tallygate.domain.journal.records import RECORD_KEPT
from tallygate.storage.metering.events import KEPT as EVENT_KEPT

# AWS's public list prices for us-east-1 in dollars, as of November 2026, before any free allowance. Check them before
# you rely on them: https://aws.amazon.com/<service>/pricing.
GATEWAY = 1.00  # a million requests to an HTTP API, each up to 512 KB
LAMBDA_CALLS = 0.20  # a million calls
GB_SECOND = 0.0000133334  # of Lambda on arm64
WRITE_UNITS, READ_UNITS = 0.625, 0.125  # a million units of an on-demand table
STORED_GB, BACKED_UP_GB = 0.25, 0.20  # a month: table, point-in-time recovery
QUEUE_REQUESTS, FAIR_MESSAGES = 0.40, 0.10  # a million requests to a standard queue; more for a message of a group
BUS_EVENTS = 1.00  # a million events to a bus, each up to 64 KB
LOGGED_GB = 0.50

ACCESS_LOG = 208
"""Bytes of a request's line in the access log, with CloudWatch's 26 (docs/deployment.md)."""
BATCH_MAX = 500
"""Records in a full batch of the stream (BatchSize in template.yaml)."""
VCPU_MB = 1769
"""Lambda's memory that has one vCPU. Less memory has that share of it."""
MACHINE = 0.5, 2.0
"""The range of CPU time on Lambda, as a ratio to the measured time."""
WAIT_MS = 2.0, 10.0
"""The range that one request to DynamoDB takes."""
MONTH = DAY * 365 / 12
PARTITION_WRITES, TABLE_WRITES = 1_000, 40_000
"""Write units a second: of one partition, and AWS's initial quota of an on-demand table."""
COST, SCALE = ROOT / "docs/cost.md", ROOT / "docs/scale.md"
EXACT = "exact", "capacity"

Rows = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One operation of what is priced.

    row: its name in bench.json
    gateway, lambdas: requests to the API, and calls of the function that answers them
    messages, published: messages of the deliveries queue, and events to the bus
    shared: calls of aggregate are shared with other customers, and full
    """

    row: str
    gateway: float = 0.0
    lambdas: float = 0.0
    messages: float = 0.0
    published: float = 0.0
    shared: bool = False

    def calls(self, rows: Rows) -> float:
        """The calls of functions. Several records of one operation come in several calls, one after the other."""
        return self.lambdas + float(rows[self.row]["calls"]) / (BATCH_MAX if self.shared else 1)

    def dollars(self, rows: Rows) -> tuple[float, ...]:
        """Dollars per million: gateway, calls, writes, reads, queue and bus."""
        row = rows[self.row]
        return (
            self.gateway * GATEWAY,
            self.calls(rows) * LAMBDA_CALLS,
            (row["write_units"] + row["refused"]) * WRITE_UNITS,
            row["read_units"] * READ_UNITS,
            # A message is sent, received and deleted.
            self.messages * (3 * QUEUE_REQUESTS + FAIR_MESSAGES) + self.published * BUS_EVENTS,
        )

    def logged(self, rows: Rows) -> float:
        """Dollars per million for log lines."""
        own = rows[self.row]["log_bytes"] / (BATCH_MAX if self.shared else 1)
        return float(own + self.gateway * ACCESS_LOG) / 1000 * LOGGED_GB

    def kept(self, rows: Rows) -> float:
        """Dollars per million for what is stored, until it expires."""
        months = (EVENT_KEPT if self.row.startswith("event stored") else RECORD_KEPT) / MONTH
        return float(rows[self.row]["stored_bytes"]) * 1e6 / 2**30 * (STORED_GB + BACKED_UP_GB) * months


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A function's time for one operation.

    row: its name in bench.json
    waits: requests to DynamoDB for which the function waits, at least and at most
    """

    row: str
    memory_mb: int
    waits: tuple[float, float]

    def cpu_ms(self, rows: Rows) -> float:
        """CPU time as measured."""
        pace = rows[self.row]["per_cpu_second"]
        return float(1000 / pace if pace else rows[self.row]["cpu_ms"])

    def billed_ms(self, rows: Rows, memory_mb: int | None = None) -> tuple[float, float]:
        """The range of the time that Lambda charges: CPU time divided by the share of a vCPU, and waiting."""
        share = min(1.0, (memory_mb or self.memory_mb) / VCPU_MB)
        low, high = (
            self.cpu_ms(rows) * machine / share + waits * wait
            for machine, waits, wait in zip(MACHINE, self.waits, WAIT_MS, strict=True)
        )
        return low, high

    def dollars(self, rows: Rows, memory_mb: int | None = None) -> tuple[float, float]:
        """The range of dollars per million operations."""
        gigabytes = (memory_mb or self.memory_mb) / 1024
        low, high = (ms * 1000 * gigabytes * GB_SECOND for ms in self.billed_ms(rows, memory_mb))
        return low, high


def asked(row: str, each: int = 1) -> Part:
    """An operation of a request to the API, or one of several in a request."""
    return Part(row=row, gateway=1 / each, lambdas=1 / each)


OPERATIONS = {
    "consume, up to 8 quotas and 8 rates": asked("consume, many limits"),
    "… with a request id, 30 a minute on one feature of a customer": asked("consume, 30 request ids a minute"),
    "… 60 a minute": asked("consume, 60 request ids a minute"),
    "… 130 a minute": asked("consume, 130 request ids a minute"),
    "… with an Idempotency-Key": asked("consume, Idempotency-Key"),
    "consume, denied, first of its window": asked("denied, first of its window"),
    "… denied later": asked("denied, later"),
    "… denied again within a second": asked("denied again within a second"),
    "check": asked("check (dry run)"),
    "settle": asked("settle"),
    "an API key checked, at most once a minute for each key": Part(row="authorize, not cached", lambdas=1),
    "event stored, 100 in a request": asked("event stored, in batches of 100", 100),
    "event stored, alone in its request": asked("event stored, alone"),
    "outgoing event made, its two deliveries begun": Part(row="outgoing event made"),
    "… delivered to the bus": Part(row="delivery to the bus", lambdas=1, messages=1, published=1),
    "… delivered to a webhook": Part(row="delivery to a webhook", lambdas=1, messages=1),
}
CONSUME = asked("consume")
STORED, ALONE = OPERATIONS["event stored, 100 in a request"], OPERATIONS["event stored, alone in its request"]
CHECK_MB, AGGREGATE_MB = 512, 1769
CONSUME_TIME = Timed(row="consume, one quota and one rate", memory_mb=CHECK_MB, waits=(1, 1))
ALONE_TIME = Timed(row="event, stored, alone in its request", memory_mb=CHECK_MB, waits=(1, 1))
# ingest has 16 threads and aggregate 8, so a batch's requests overlap. Four and six of them serve 100 operations.
STORED_TIME = Timed(row="event, stored, in batches of 100", memory_mb=CHECK_MB, waits=(1 / 16, 1 / 16))
DENSE_TIME = Timed(row="fold, dense", memory_mb=AGGREGATE_MB, waits=(0.04, 0.04))
DENSE_EVENT_TIME = Timed(row="event, folded, in batches of 100", memory_mb=AGGREGATE_MB, waits=(0.06, 0.06))
SPARSE_TIME = Timed(row="fold, sparse", memory_mb=AGGREGATE_MB, waits=(0, 6 / 8))
SPARSE_EVENT_TIME = Timed(row="fold, sparse events", memory_mb=AGGREGATE_MB, waits=(0, 8 / 8))
WAYS = {
    "consume, dense": (
        (CONSUME, Part(row="consume aggregated, in batches of 100")),
        (CONSUME_TIME, DENSE_TIME),
    ),
    "consume, sparse, busy stack": (
        (CONSUME, Part(row="consume aggregated, alone", shared=True)),
        (CONSUME_TIME, SPARSE_TIME),
    ),
    "consume, sparse, quiet stack": (
        (CONSUME, Part(row="consume aggregated, alone")),
        (CONSUME_TIME, replace(SPARSE_TIME, waits=(6, 6))),
    ),
    "event, dense, 100 in a request": (
        (STORED, Part(row="event aggregated, in batches of 100")),
        (STORED_TIME, DENSE_EVENT_TIME),
    ),
    "event, sparse, busy stack": (
        (ALONE, Part(row="event aggregated, alone", shared=True)),
        (ALONE_TIME, SPARSE_EVENT_TIME),
    ),
    "event, sparse, quiet stack": (
        (ALONE, Part(row="event aggregated, alone")),
        (ALONE_TIME, replace(SPARSE_EVENT_TIME, waits=(8, 8))),
    ),
}
TIMES = {
    "check": Timed(row="check", memory_mb=CHECK_MB, waits=(1, 1)),
    "consume": CONSUME_TIME,
    "consume, 8 quotas and 8 rates": Timed(row="consume, 8 quotas and 8 rates", memory_mb=CHECK_MB, waits=(1, 1)),
    "consume with an Idempotency-Key": Timed(row="consume with an Idempotency-Key", memory_mb=CHECK_MB, waits=(2, 2)),
    "event stored, 100 in a request": STORED_TIME,
    "event stored, alone in its request": ALONE_TIME,
    "consume aggregated, dense": DENSE_TIME,
    "consume aggregated, sparse, busy stack": SPARSE_TIME,
    "event aggregated, sparse, busy stack": SPARSE_EVENT_TIME,
}
PACES = {
    "consumes, sparse": "fold, sparse",
    "events, sparse": "fold, sparse events",
    "consumes, dense": "fold, dense",
}
MEMORIES = 256, 512, 1024, VCPU_MB


def exact(rows: Rows) -> str:
    """The tables that follow from requests and units alone."""
    heads = ("", "API Gateway", "Lambda calls", "write units", "read units", "SQS, EventBridge", "sum")
    single = [(name, part.dollars(rows)) for name, part in OPERATIONS.items()]
    whole = [(name, added(part.dollars(rows) for part in parts)) for name, (parts, _) in WAYS.items()]
    tables = (
        table(
            (("a million of", *heads[1:])),
            ((name, *(money(cell, 3) for cell in (*cells, sum(cells)))) for name, cells in lines),
        )
        for lines in (single, whole)
    )
    return "\n".join(tables)


def capacity(rows: Rows) -> str:
    """How many operations a second a partition and a table take."""
    lines = []
    for name, (parts, _) in WAYS.items():
        units = sum(rows[part.row]["write_units"] + rows[part.row]["refused"] for part in parts)
        if not name.endswith("quiet stack"):
            paces = (f"{most / units:,.0f}" for most in (PARTITION_WRITES, TABLE_WRITES))
            lines.append((name.removesuffix(", busy stack"), f"{units:g}", *paces))
    return table(("", "write units", "a second, one partition", "a second, 40,000 write units"), lines)


def together(rows: Rows) -> str:
    """Everything that is charged for consumes and events."""
    lines = []
    for name, (parts, timed) in WAYS.items():
        units = sum(sum(part.dollars(rows)) for part in parts)
        logs, kept = sum(part.logged(rows) for part in parts), sum(part.kept(rows) for part in parts)
        low, high = added(time.dollars(rows) for time in timed)
        sums = span(units + logs + kept + low, units + logs + kept + high)
        lines.append((name, money(units), span(low, high), money(logs), money(kept), sums))
    return bare(rows) + table(
        ("a million of", "requests and units", "Lambda time", "logs", "storage", "together"), lines
    )


def memory(rows: Rows) -> str:
    """What each memory size makes of the measured CPU time, and the pace of aggregation."""
    lines = []
    for name, time in TIMES.items():
        cells = (f"{span(*time.billed_ms(rows, mb), '')} ms, {span(*time.dollars(rows, mb))}" for mb in MEMORIES)
        lines.append((name, f"{time.cpu_ms(rows):.2f}", *cells))
    paces = [(name, f"{rows[row]['per_cpu_second']:,.0f}") for name, row in PACES.items()]
    return "\n".join(
        (
            bare(rows) + table(("", "CPU ms measured", *(f"{mb} MB" for mb in MEMORIES)), lines),
            table(("aggregated until nothing is left in the stream", "per CPU second"), paces),
        )
    )


def bare(rows: Rows) -> str:
    row = rows["consume, one quota and one rate"]
    return (
        f"In this run, a bare `update_item` of boto3 took {row['cpu_ms'] / row['cpu_ratio']:.2f} ms of CPU, and a"
        f" consume {row['cpu_ratio']:.2f} times that.\n\n"
    )


SECTIONS = {
    "exact": (COST, exact),
    "together": (COST, together),
    "capacity": (SCALE, capacity),
    "memory": (SCALE, memory),
}


def added(columns: Iterable[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(map(sum, zip(*columns, strict=True)))


def money(dollars: float, digits: int = 2) -> str:
    return f"${dollars:.{digits}f}" if dollars else "–"


def span(low: float, high: float, sign: str = "$") -> str:
    digits = 2 if sign or high < 1 else 1
    return f"{sign}{low:.{digits}f} to {high:.{digits}f}"


def table(heads: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    rule = ("---", *("---:" for _ in heads[1:]))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (heads, rule, *lines))


def between(text: str, section: str, new: str | None = None) -> tuple[str, str]:
    """Return what stands between a section's markers, and the text with something new there."""
    begin, end = (f"<!-- price, {section}: {word} -->\n" for word in ("begin", "end"))
    before, _, rest = text.partition(begin)
    held, _, after = rest.partition(end)
    return held, f"{before}{begin}{held if new is None else new}{end}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=ROOT / "bench/results/bench.json")
    parser.add_argument("--write", action="store_true", help="write the tables into the documents")
    options = parser.parse_args()
    if not options.json.exists():
        sys.exit(f"{options.json} is missing: run `make bench` first.")
    found = json.loads(options.json.read_text())
    rows = {row["operation"]: row for row in found}
    assert len(rows) == len(found), "two rows have one name"
    for name, (document, section) in SECTIONS.items():
        if options.write:
            document.write_text(between(document.read_text(), name, section(rows))[1])
        else:
            print(section(rows))


if __name__ == "__main__":
    main()
