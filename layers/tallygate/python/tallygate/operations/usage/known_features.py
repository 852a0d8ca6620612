"""known_features: tell an empty list of a feature from the list of a misspelt one."""

from __future__ import annotations

from collections.abc import Sized

from tallygate.errors import NotFound
from tallygate.operations.usage.ports import UsageStore


def require_known(store: UsageStore, feature: str | None, page: tuple[Sized, str | None], *, after: str | None) -> None:
    """Raises NotFound where a list has nothing of a feature, and the catalog does not have the feature either.

    The history of a feature that left the catalog stays listed. `page`: the entries and the cursor after them. Only a
    first page without a cursor proves that the list is empty; only then one request is made.
    """
    listed, more = page
    if feature is None or listed or more is not None or after is not None:
        return
    if store.feature(feature) is None:
        raise NotFound(f"there is no feature {feature[:100]}", code="feature_not_found")
