"""Stopping without losing what is on its way: the intake closes, then the fold catches up, then the rest may stop.

The emulator saves its tables but not its streams, so a record that has not been folded when it stops is never
folded. A probe is an item whose record follows all others of its moment; aggregate answers it by setting `seen_at`
on it. What one stage writes makes records for the next, so as many probes follow each other as there are stages.
"""

import time
import uuid

from local.emulator import Clients

# EVENT or CELL -> JOURNAL and TOTAL -> OUTBOX -> DELIVERY, and one more for what was in flight.
STAGES = 4
PROBE_TIMEOUT_S = 60
POLL_INTERVAL_S = 0.05
INTAKE = ("IngestFunctionName", "CheckFunctionName", "ManageFunctionName")


def close_intake(clients: Clients, outputs: dict[str, str]) -> None:
    """Let no request reach a function that writes; those that are running finish."""
    functions = clients.of("lambda")
    for name in INTAKE:
        functions.put_function_concurrency(FunctionName=outputs[name], ReservedConcurrentExecutions=0)


def open_intake(clients: Clients, outputs: dict[str, str]) -> None:
    functions = clients.of("lambda")
    for name in INTAKE:
        functions.delete_function_concurrency(FunctionName=outputs[name])


def drain_fold(clients: Clients, table: str) -> bool:
    """Wait until the stream's reader has seen everything; False when it did not within its time."""
    dynamodb = clients.of("dynamodb")
    deadline = time.monotonic() + PROBE_TIMEOUT_S
    for _ in range(STAGES):
        key = {"pk": {"S": "PROBE"}, "sk": {"S": uuid.uuid4().hex}}
        expires_at = {"N": str(int(time.time()) + 3600)}
        dynamodb.put_item(TableName=table, Item=key | {"expires_at": expires_at})
        while not seen(dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)):
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_INTERVAL_S)
        dynamodb.delete_item(TableName=table, Key=key)
    return True


def seen(answer: dict[str, dict[str, object]]) -> bool:
    return "seen_at" in answer.get("Item", {})
