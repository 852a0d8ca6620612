"""dimensions: refuses a request whose dimensions its feature does not declare, before any decision.

The container caches the catalog's features for a minute. Before it refuses, it reads the feature again, at most once a
second for each feature. So a dimension declared a moment ago is accepted.
"""

from __future__ import annotations

from collections.abc import Iterable

from tallygate.errors import FieldError, InvalidRequest
from tallygate.operations.admission.attempts import Consume
from tallygate.operations.admission.memory import Memory
from tallygate.operations.admission.ports import AdmissionStore


def require_declared(store: AdmissionStore, memory: Memory, requests: Iterable[tuple[str, Consume]]) -> None:
    """Check the dimensions of all requests. Raises InvalidRequest `unknown_dimension` or `dimension_required`.

    requests: each with its place in the body: "", or "/3" in a list

    The error lists every broken rule at its pointer. An unknown feature breaks no rule here, because the decision
    itself answers `feature_not_found`. Needs no request while the feature is cached and nothing is refused.
    """
    errors = []
    for at, request in requests:
        sold = memory.sold(store, request.feature)
        if sold is None or not sold.dimensions.broken_by(request.counted_dimensions):
            continue
        sold = memory.sold(store, request.feature, again=True)
        errors += [
            FieldError(pointer=f"{at}/dimensions/{_escaped(name)}", code=code, detail=detail)
            for name, code, detail in (() if sold is None else sold.dimensions.broken_by(request.counted_dimensions))
        ]
    if errors:
        first = errors[0]
        raise InvalidRequest(f"{first.pointer}: {first.detail}", code=first.code, errors=tuple(errors))


def _escaped(name: str) -> str:
    """Escape one step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")
