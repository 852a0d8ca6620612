"""dimensions: refuse a request whose dimensions its feature does not declare, before anything is decided.

The container knows what features declare from the catalog entries that it remembers for a minute. Before it refuses, it
reads them again, at most once a second for each feature: a dimension that was declared a moment ago is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tallygate.errors import FieldError, InvalidRequest
from tallygate.operations.admission.memory import Memory
from tallygate.operations.admission.ports import AdmissionStore


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenDimensions:
    """What one request gives. `at` is the request's place in the body: "", or "/3" in a list."""

    feature: str
    dimensions: Mapping[str, str]
    at: str = ""


def require_declared(store: AdmissionStore, memory: Memory, requests: Iterable[GivenDimensions]) -> None:
    """Raises InvalidRequest `unknown_dimension` or `dimension_required` with every broken rule at its pointer.

    An unknown feature breaks none: the decision says that there is no such feature. No request where the feature is
    remembered and nothing is refused.
    """
    errors = []
    for given in requests:
        sold = memory.sold(store, given.feature)
        if sold is None or not sold.dimensions.broken_by(given.dimensions):
            continue
        sold = memory.sold(store, given.feature, again=True)
        errors += [
            FieldError(pointer=f"{given.at}/dimensions/{_escaped(name)}", code=code, detail=detail)
            for name, code, detail in (() if sold is None else sold.dimensions.broken_by(given.dimensions))
        ]
    if errors:
        first = errors[0]
        raise InvalidRequest(f"{first.pointer}: {first.detail}", code=first.code, errors=tuple(errors))


def _escaped(name: str) -> str:
    """One step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")
