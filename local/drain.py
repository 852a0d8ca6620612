"""Stop without losing data in transit: close the intake, let aggregation catch up, then stop the rest.

The emulator saves its tables but not its streams. So a record that is not aggregated before the stop is never
aggregated. A probe is an item whose record follows all earlier records; aggregate answers by setting `seen_at` on it.
The writes of one stage make records for the next stage, so there is one probe after another for each stage.
"""

import time
import uuid

from local.emulator import Clients

# EVENT or CELL -> JOURNAL and TOTAL -> OUTBOX -> DELIVERY, and one more for records in flight.
STAGES = 4
PROBE_TIMEOUT_S = 60
POLL_INTERVAL_S = 0.05
INTAKE = ("IngestFunctionName", "CheckFunctionName", "ManageFunctionName")


def close_intake(clients: Clients, outputs: dict[str, str]) -> None:
    """Stop requests from reaching functions that write. Running calls finish."""
    functions = clients.of("lambda")
    for name in INTAKE:
        functions.put_function_concurrency(FunctionName=outputs[name], ReservedConcurrentExecutions=0)


def open_intake(clients: Clients, outputs: dict[str, str]) -> None:
    functions = clients.of("lambda")
    for name in INTAKE:
        functions.delete_function_concurrency(FunctionName=outputs[name])


def drain_stream(clients: Clients, table: str) -> bool:
    """Wait until the stream's reader has seen every record; False if it has not within PROBE_TIMEOUT_S."""
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
