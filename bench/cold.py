"""`python -m bench.cold`: what a new process pays before its first answer from DynamoDB, by each client.

Each figure is the median over fresh processes: imports, the client, and one read on a local engine. The interpreter's
own start is not part of it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

from bench import engine as bench_engine
from bench.functions import environment

RUNS = 15
TABLE = "cold"
MEASURED = """
import os, sys, time
wall, cpu = time.perf_counter(), time.process_time()
{made}
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Key
DynamoEngine(client, "cold").get(Key("P", "a"))
print(time.perf_counter() - wall, time.process_time() - cpu)
"""
CLIENTS = {
    "small client": "from tallygate.storage.base.connect import client_for\nclient = client_for(os.environ)",
    "boto3": "from tallygate.storage.base.boto import boto_client\nclient = boto_client()",
}


def main() -> None:
    with bench_engine.running() as running:
        bench_engine.create_table(bench_engine.client(running.url), TABLE)
        variables = {**environment("check", running.url, TABLE), "PYTHONPATH": ":".join(sys.path)}
        print(f"{'client':<14} {'wall ms':>8} {'CPU ms':>8}")
        for name, made in CLIENTS.items():
            samples = []
            for _ in range(RUNS):
                command = [sys.executable, "-c", MEASURED.format(made=made)]
                said = subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout
                samples.append([float(figure) * 1000 for figure in said.split()])
            wall, cpu = (statistics.median(column) for column in zip(*samples, strict=True))
            print(f"{name:<14} {wall:>8.0f} {cpu:>8.0f}")


if __name__ == "__main__":
    main()
