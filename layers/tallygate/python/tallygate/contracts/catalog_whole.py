"""What a catalog says as a whole: which keys it declares, what its readers may know of them, and what is there twice.

All of it is read from bodies that may be unsound anywhere, so that one broken entry is no second error elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tallygate.contracts.reading import pointer, rule
from tallygate.domain.catalog import Catalog
from tallygate.domain.features import BOOLEAN, CONFIG
from tallygate.errors import FieldError

SAID_OF = {BOOLEAN: "enabled", CONFIG: "value"}
"""What an entitlement says of a feature of these types."""


def known_of(catalog: Catalog) -> dict[str, Any]:
    """What the readers of limits know of a catalog: the context of `read`."""
    dimensions = {meter.key: set(meter.dimensions) for meter in catalog.meters}
    return {
        "meter": set(dimensions),
        "feature": {feature.key for feature in catalog.features},
        "plan": {plan.key for plan in catalog.plans},
        "type": {feature.key: feature.type for feature in catalog.features if feature.type in SAID_OF},
        "dimensions": {f.key: dimensions[f.meter] for f in catalog.features if f.meter is not None},
    }


def declared_in(body: object) -> dict[str, Any]:
    """The same of a body. A reference to a declared key is no second error where that entry is unsound elsewhere."""
    declared = {
        kind: [entry for _, entry in _objects(body, f"{kind}s") if isinstance(entry.get("key"), str)]
        for kind in ("meter", "feature", "plan")
    }
    features = declared["feature"]
    measured = {str(meter.get("key")): meter.get("dimensions", {}) for _, meter in _objects(body, "meters")}
    counted = {entry["key"]: measured.get(str(entry.get("meter"))) for entry in features}
    return {
        **{kind: {entry["key"] for entry in entries} for kind, entries in declared.items()},
        "type": {entry["key"]: str(entry.get("type")) for entry in features if str(entry.get("type")) in SAID_OF},
        "dimensions": {key: set(names) for key, names in counted.items() if isinstance(names, dict)},
    }


def repetitions(body: object) -> Iterator[FieldError]:
    """What is there twice, in a body that may be unsound elsewhere."""
    for kind in ("meters", "features"):
        keys = [(pointer(kind, index, "key"), entry.get("key")) for index, entry in _objects(body, kind)]
        yield from _repeated(keys, f"another of the {kind} has this key")
    plans = list(_objects(body, "plans"))
    ids = [(pointer("plans", i, "version"), (plan.get("key"), plan.get("version", 1))) for i, plan in plans]
    yield from _repeated(ids, "another plan has this key and version")
    for index, plan in plans:
        at = ("plans", index)
        limits = list(_objects(plan, "limits"))
        entitled = [
            (pointer(*at, "entitlements", i, "feature"), entry.get("feature"))
            for i, entry in _objects(plan, "entitlements")
        ]
        named = [(pointer(*at, "limits", i, "name"), entry.get("name")) for i, entry in limits]
        yield from _repeated(
            entitled + named, "another limit of this plan has this name (an entitlement's is its feature)"
        )
        features = {feature for _, feature in entitled if isinstance(feature, str)}
        for i, entry in limits:
            if isinstance(entry.get("feature"), str) and entry["feature"] not in features:
                detail = f"this plan has no entitlement for {entry['feature']}"
                yield rule("not_entitled", detail, *at, "limits", i, "feature")


def _repeated(named: Iterable[tuple[str, object]], detail: str) -> Iterator[FieldError]:
    """An error at every name that was there before; what is no name at all has its error already."""
    seen: set[object] = set()
    for where, name in named:
        parts = name if isinstance(name, tuple) else (name,)
        if all(isinstance(part, str) or (isinstance(part, int) and len(parts) > 1) for part in parts):
            if name in seen:
                yield FieldError(pointer=where, code="repeated", detail=detail)
            seen.add(name)


def _objects(body: object, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The objects in a list of a body, with their places; nothing where the body is of another shape."""
    listed = body.get(name) if isinstance(body, dict) else None
    for index, entry in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(entry, dict):
            yield index, entry
