"""What check says of itself: one short line for each decision, by which it is counted.

    {"operation":"consume","reason":"ok"}                                                       every decision
    {"operation":"consume","reason":"quota_exceeded","customer":…,"feature":…,"trace_id":…}     those that are named

The template's metric filter counts these lines by operation and reason, so the counts are complete whichever are named.
"""

from __future__ import annotations

import json
import sys
import zlib
from enum import StrEnum

from tallygate.domain.admission.decision import Decision
from tallygate.http import Request

SAMPLED_ONE_IN = 100


class DecisionLog(StrEnum):
    """Of which decisions the line names customer, feature, decision and trace."""

    ALL = "all"
    DENIED = "denied"
    SAMPLED = "sampled"


def tell_decision(log: DecisionLog, request: Request, decision: Decision) -> None:
    """Write the decision's line."""
    line: dict[str, object] = {
        "operation": request.route.rpartition("/")[2],
        "reason": decision.reason.value,
    }
    if _named(log, request, decision):
        line |= {
            "customer": decision.customer,
            "feature": decision.feature,
            "decision_id": decision.decision_id,
            "replayed": decision.replayed,
            "trace_id": request.trace_id,
        }
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")


def _named(log: DecisionLog, request: Request, decision: Decision) -> bool:
    match log:
        case DecisionLog.ALL:
            return True
        case DecisionLog.DENIED:
            return not decision.granted
    # By the trace, so that of one trace either all decisions are named or none is.
    return zlib.crc32(request.trace_id.encode()) % SAMPLED_ONE_IN == 0
