"""Reports of check: one short log line for each decision, and the lines and metrics of refused requests and defects.

    {"operation":"consume","reason":"ok"}                                                       every decision
    {"operation":"consume","reason":"quota_exceeded","customer":…,"feature":…,"trace_id":…}     selected decisions

The template's metric filter counts these lines by operation and reason. So the counts are complete, whichever decisions
are selected for the longer form. Powertools writes the other lines. It is loaded with the first of them, because most
containers write none.
"""

from __future__ import annotations

import json
import sys
import zlib
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from tallygate.domain.admission.decision import Decision
from tallygate.http import Request

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

SAMPLED_ONE_IN = 100


class DecisionLog(StrEnum):
    """The decisions whose line names customer, feature, decision and trace."""

    ALL = "all"
    DENIED = "denied"
    SAMPLED = "sampled"


def tell_decision(log: DecisionLog, request: Request, decision: Decision) -> None:
    """Write the decision's line."""
    line: dict[str, object] = {
        "operation": request.route.rpartition("/")[2],
        "reason": decision.reason.value,
    }
    # Sampled by trace id, so a trace has all of its decisions named or none.
    named = (
        log is DecisionLog.ALL
        or (log is DecisionLog.DENIED and not decision.granted)
        or (log is DecisionLog.SAMPLED and zlib.crc32(request.trace_id.encode()) % SAMPLED_ONE_IN == 0)
    )
    if named:
        line |= {
            "customer": decision.customer,
            "feature": decision.feature,
            "decision_id": decision.decision_id,
            "replayed": decision.replayed,
            "trace_id": request.trace_id,
        }
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")


def tell_refusal(status: int, problem: str) -> None:
    """Count and log a request that was answered with a problem document."""
    from aws_lambda_powertools import Metrics  # noqa: PLC0415

    from tallygate.metrics import Metric, tell  # noqa: PLC0415

    tell(Metrics(), {Metric.REFUSED: 1}, status=str(status))
    _logger().warning("refused", status=status, problem=problem)


def tell_defect(what: str) -> None:
    """Report an error that should never happen, within its except clause."""
    from tallygate.defects import told_to  # noqa: PLC0415

    told_to(_logger())(what)


@cache
def _logger() -> Logger:
    from aws_lambda_powertools import Logger  # noqa: PLC0415

    return Logger()
