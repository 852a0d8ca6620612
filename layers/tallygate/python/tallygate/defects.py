"""Defects: what should never happen is answered as a problem, and alarms all the same.

Because the caller gets an answer, Lambda counts no error. So a defect counts itself, in one metric over all functions.
"""

from __future__ import annotations

from collections.abc import Callable

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import single_metric

from tallygate.metrics import Metric


def told_to(logger: Logger) -> Callable[[str], None]:
    """What `http.answer` tells of a defect, from within its except clause: the log has the trace, the metric alarms."""

    def defect(what: str) -> None:
        logger.exception(what)
        with single_metric(name=Metric.DEFECTS.value, unit=Metric.DEFECTS.unit, value=1) as metric:
            metric.add_dimension("service", "tallygate")

    return defect
