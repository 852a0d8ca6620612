"""What a container's start costs: the import of a function in a fresh process, against importing boto3 and a client.

CPU is that of the child process. Both read compiled modules from a cache that a first run fills, as Lambda's runtime
has boto3 compiled.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.functions import FOREIGN, FUNCTIONS, environment

LAYER = FUNCTIONS.parent / "layers" / "tallygate" / "python"
RUNS = 10
BARE = "import boto3; boto3.client('dynamodb')"
APP = "import app"


def import_times(verb: str) -> tuple[float, float, float, float]:
    """Return the medians in milliseconds: (CPU, wall) of boto3 and a client, then of the function."""
    with tempfile.TemporaryDirectory() as compiled:
        variables = {
            **{name: value for name, value in os.environ.items() if not FOREIGN.fullmatch(name)},
            **environment(verb, "http://none", "none"),
            # Empty: modules are compiled.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": compiled,
            "PYTHONPATH": os.pathsep.join((str(LAYER), str(FUNCTIONS / verb))),
        }
        samples = [(*_spent(BARE, variables), *_spent(APP, variables)) for _ in range(RUNS + 1)]
    bare_cpu, bare_wall, cpu, wall = (statistics.median(column) for column in zip(*samples[1:], strict=True))
    return bare_cpu, bare_wall, cpu, wall


def _spent(code: str, variables: dict[str, str]) -> tuple[float, float]:
    """Return (CPU, wall) milliseconds of a fresh process that runs this code."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=variables, cwd=Path(__file__).parent)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu * 1000, wall * 1000
