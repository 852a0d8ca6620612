"""What a catalog says as a whole: which keys it declares, what its readers may know of them, and what is there twice.

All of it is read from bodies that may be unsound anywhere, so that one broken entry is no second error elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tallygate.contracts.reading import pointer
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
    """The keys of a body that may be unsound elsewhere, so that a sound reference to them is no second error."""
    keys: dict[str, Any] = {
        kind: {entry["key"] for _, entry in _objects(body, f"{kind}s") if isinstance(entry.get("key"), str)}
        for kind in ("meter", "feature", "plan")
    }
    features = [entry for _, entry in _objects(body, "features") if isinstance(entry.get("key"), str)]
    measured = {str(meter.get("key")): meter.get("dimensions", {}) for _, meter in _objects(body, "meters")}
    counted = {entry["key"]: measured.get(str(entry.get("meter"))) for entry in features}
    return {
        **keys,
        "type": {entry["key"]: str(entry.get("type")) for entry in features if str(entry.get("type")) in SAID_OF},
        "dimensions": {key: set(names) for key, names in counted.items() if isinstance(names, dict)},
    }


def repetitions(body: object) -> Iterator[FieldError]:
    """What is there twice, in a body that may be unsound elsewhere."""
    for kind in ("meters", "features"):
        keys: list[tuple[str, object]] = [
            (pointer(kind, index, "key"), entry.get("key")) for index, entry in _objects(body, kind)
        ]
        yield from _repeated(keys, f"another of the {kind} has this key")
    plans = list(_objects(body, "plans"))
    ids: list[tuple[str, object]] = [
        (pointer("plans", i, "version"), (plan.get("key"), plan.get("version", 1))) for i, plan in plans
    ]
    yield from _repeated(ids, "another plan has this key and version")
    for index, plan in plans:
        entitled: list[tuple[str, object]] = [
            (pointer("plans", index, "entitlements", i, "feature"), entry.get("feature"))
            for i, entry in _objects(plan, "entitlements")
        ]
        named: list[tuple[str, object]] = [
            (pointer("plans", index, "limits", i, "name"), entry.get("name")) for i, entry in _objects(plan, "limits")
        ]
        yield from _repeated(
            entitled + named, "another limit of this plan has this name (an entitlement's is its feature)"
        )
        features = {feature for _, feature in entitled if isinstance(feature, str)}
        for i, entry in _objects(plan, "limits"):
            if isinstance(entry.get("feature"), str) and entry["feature"] not in features:
                detail = f"this plan has no entitlement for {entry['feature']}"
                yield FieldError(
                    pointer=pointer("plans", index, "limits", i, "feature"), code="not_entitled", detail=detail
                )


def _repeated(named: list[tuple[str, object]], detail: str) -> Iterator[FieldError]:
    """An error at every name that was there before; what is no name at all has its error already."""
    seen: set[object] = set()
    for where, name in named:
        if not isinstance(name, str | tuple) or (isinstance(name, tuple) and not all(map(_plain, name))):
            continue
        if name in seen:
            yield FieldError(pointer=where, code="repeated", detail=detail)
        seen.add(name)


def _plain(value: object) -> bool:
    return isinstance(value, str | int)


def _objects(body: object, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The objects in a list of a body, with their places; nothing where the body is of another shape."""
    listed = body.get(name) if isinstance(body, dict) else None
    for index, entry in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(entry, dict):
            yield index, entry
