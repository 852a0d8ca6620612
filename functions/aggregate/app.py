"""aggregate: reads the table's stream and writes journal, totals, usage, facts and deliveries.

The environment, the clock and the threads enter here and nowhere below.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from journal_parts import journal_parts
from reports import tell

from tallygate.clock import clock_of, real_time
from tallygate.delivery import queue
from tallygate.operations.aggregate import Parts, aggregate
from tallygate.operations.base.each import threaded
from tallygate.storage.base.connect import client_for
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.delivery.facts import Facts
from tallygate.storage.journal.bring_in import CellEvents
from tallygate.storage.journal.carryover import CellCarryover
from tallygate.storage.stream import batch_of

THREADS = 8

logger = Logger()
metrics = Metrics()
engine = DynamoEngine(client_for(os.environ), os.environ["TABLE_NAME"])
clock = clock_of(os.environ, engine)

parts = Parts(
    journal=journal_parts(engine),
    cells=CellEvents(engine),
    carried=CellCarryover(engine),
    outbox=Facts(engine),
    queue=queue.SqsQueue(queue.sqs_client, os.environ["QUEUE_URL"]),
    each=threaded(ThreadPoolExecutor(THREADS)),
)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Aggregate one batch. Lambda requires a `state` in the answer of a tumbling window.

    No state is kept: the window is configured only because Lambda then names the shard.
    """
    batch = batch_of(event)
    try:
        summary = aggregate(parts, batch, now=clock.now())
    except Exception:
        logger.exception("aggregate", shard=batch.shard, records=batch.records)
        raise
    tell(logger, metrics, batch, summary, now=real_time())
    return {"state": {}}
