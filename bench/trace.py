"""`python -m bench.trace`: how much of our own code one warm decision executes.

It counts calls, distinct functions and files under layers/ and functions/ while the check function's handler answers.
It does not count dunders, comprehensions, lambdas, and the module that calls DynamoDB. A memory engine answers instead
of the client, so the figures are exact and need no network.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any

from bench.functions import environment, loaded
from bench.given import customer, event, feature
from tallygate.clock import Clock
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.dynamo import DynamoEngine, to_wire
from tallygate.storage.base.engine import Key, Refused, Write, Written
from tallygate.storage.base.expressions import Item
from tallygate.storage.base.failures import Answered
from tallygate.storage.base.memory import MemoryEngine

ROOT = Path(__file__).resolve().parent.parent
OWN = (str(ROOT / "layers"), str(ROOT / "functions"))
ENGINE = "storage/base/dynamo.py"
NOW = 1_795_168_800_000


@dataclass(slots=True)
class Trace:
    """Calls by file and function."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def figures(self) -> tuple[int, int, int]:
        """Calls, distinct functions, files."""
        return self.calls.total(), len(self.calls), len({path for path, _ in self.calls})

    def saw(self, frame: FrameType, kind: str, _: object) -> None:
        code = frame.f_code
        path, name = code.co_filename, code.co_qualname
        last = name.rpartition(".")[2]
        if kind == "call" and path.startswith(OWN) and not last.startswith(("<", "__")) and not path.endswith(ENGINE):
            self.calls[(path.removeprefix(f"{ROOT}/"), name)] += 1


class AnsweredClient:
    """A DynamoDB client whose requests a memory engine answers, outside the trace."""

    why = ""

    def __init__(self, memory: MemoryEngine) -> None:
        self.memory = memory
        self.write: Write | None = None

    def send(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        with untraced():
            if operation == "GetItem":
                key = request["Key"]
                held = self.memory.get(Key(key["pk"]["S"], key["sk"]["S"]))
                return {} if held is None else {"Item": _wire(held)}
            assert self.write is not None
            outcome = self.memory.write(self.write)
            if isinstance(outcome, Refused):
                raise Answered("ConditionalCheckFailedException", 400, {"Item": _wire(outcome.image or {})})
            return {"Attributes": _wire(outcome.image or {})}


class TracedEngine(DynamoEngine):
    """The DynamoDB engine over an `AnsweredClient`, which also gets the write as a value."""

    def __init__(self, answered: AnsweredClient) -> None:
        super().__init__(answered, "trace")
        self.answered = answered

    def write(self, write: Write, *, repeatable: bool = False) -> Written | Refused:
        self.answered.write = write
        return super().write(write, repeatable=repeatable)


def _wire(item: Item) -> dict[str, Any]:
    return {name: to_wire(value) for name, value in item.items()}


@contextlib.contextmanager
def untraced() -> Iterator[None]:
    """Pause the trace."""
    held = sys.getprofile()
    sys.setprofile(None)
    try:
        yield
    finally:
        sys.setprofile(held)


def traces() -> dict[str, Trace]:
    """Trace one warm consume, one warm check and one denial, each of one quota and one rate, without a request id."""
    memory = MemoryEngine()
    engine = TracedEngine(AnsweredClient(memory))
    feature(memory)
    customer(memory, "warm", limit=10**12)
    customer(memory, "full", limit=1)
    found = {}
    with contextlib.redirect_stdout(io.StringIO()), loaded("check", environment("check", "http://none", "t")) as module:
        module.app.store, module.app.engine = Cells(engine), engine
        # With a running clock, a run across a boundary of the rate would count a call or two more.
        module.app.clock = Clock(real=lambda: NOW)
        asked = {"consume": ("consume", "warm", 1), "check": ("check", "warm", 1), "denial": ("consume", "full", 2)}
        for name, (verb, whom, amount) in asked.items():
            body = {"customer": whom, "feature": "ai-tokens", "amount": amount, "dimensions": {"team": "eng"}}
            warm = event(f"/v1/{verb}", body)
            for _ in range(2):
                answered = module.handler(warm, None)
                module.app.memory._denials.clear()  # noqa: SLF001  # without this the next denial reads first
            trace = Trace()
            sys.setprofile(trace.saw)
            try:
                answered = module.handler(warm, None)
            finally:
                sys.setprofile(None)
            assert answered["statusCode"] == 200 and json.loads(answered["body"])["granted"] == (whom == "warm")
            found[name] = trace
    assert Decimal(3) in memory.items[Key("CELL#warm#ai-tokens", "ROOT")].values()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", choices=("consume", "check", "denial"), help="list the functions of a decision")
    options = parser.parse_args()
    found = traces()
    print(f"{'decision':<10} {'calls':>6} {'functions':>10} {'files':>6}")
    for name, trace in found.items():
        calls, functions, files = trace.figures
        print(f"{name:<10} {calls:>6} {functions:>10} {files:>6}")
    if options.list:
        for (path, function), calls in sorted(found[options.list].calls.items()):
            print(f"{calls:>4}  {path.removeprefix('layers/tallygate/python/tallygate/')}  {function}")


if __name__ == "__main__":
    main()
