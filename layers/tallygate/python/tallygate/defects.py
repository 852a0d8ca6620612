"""Reports of defects: errors that should never happen.

The caller receives a problem document, so Lambda counts no error. The metric `Defects` counts the defect instead, for
all functions together.
"""

from __future__ import annotations

from collections.abc import Callable

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import single_metric

from tallygate.metrics import Metric


def told_to(logger: Logger) -> Callable[[str], None]:
    """Return the callback that `http.answer` calls within its except clause.

    The callback logs the stack trace and counts the defect.
    """

    def defect(what: str) -> None:
        logger.exception(what)
        with single_metric(name=Metric.DEFECTS.value, unit=Metric.DEFECTS.unit, value=1) as metric:
            metric.add_dimension("service", "tallygate")

    return defect
