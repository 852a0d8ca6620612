"""Log line of check: one short line for each decision.

    {"operation":"consume","reason":"ok"}                                                       every decision
    {"operation":"consume","reason":"quota_exceeded","customer":…,"feature":…,"trace_id":…}     selected decisions

The template's metric filter counts these lines by operation and reason. So the counts are complete, whichever decisions
are selected for the longer form.
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
