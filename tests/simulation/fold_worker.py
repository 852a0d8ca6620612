"""A process that aggregates a table's stream until it is killed.

    python fold_worker.py <url> <table> <batch size> small|boto3

It has no memory: each time it begins at the trim horizon, so that all earlier records come again. After each batch it
prints the number of new entries, and "idle" when no record is left, so that a test knows when to kill it.
"""

from __future__ import annotations

import json
import sys
import threading

from bench import engine as bench_engine
from bench.streams import reader
from tallygate.operations.aggregate import aggregate
from tallygate.storage.stream import batch_of
from tests.given import NOW
from tests.truth import container


def main(url: str, table: str, size: int, *, boto3: bool) -> None:
    client = bench_engine.client(url)
    parts = container(bench_engine.engine_at(url, table, boto3=boto3))
    stream = reader(client, bench_engine.client(url, "dynamodbstreams"), table, size)
    pause = threading.Event()
    while True:
        for event in stream.batches():
            summary = aggregate(parts, batch_of(json.loads(json.dumps(event))), now=NOW)
            tell(str(summary.counted))
        tell("idle")
        pause.wait(0.02)


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), boto3=sys.argv[4] == "boto3")
