"""known_features: distinguishes an empty list of a known feature from a misspelt feature."""

from __future__ import annotations

from collections.abc import Sized

from tallygate.errors import NotFound
from tallygate.operations.usage.ports import UsageStore


def require_known(store: UsageStore, feature: str | None, page: tuple[Sized, str | None], *, after: str | None) -> None:
    """Check the feature of an empty list. Raises NotFound where the catalog does not have the feature.

    page: the entries and the next page's cursor

    The history of a feature that left the catalog stays listed. Only an empty first page without a cursor proves that
    the list is empty; only then one request is made.
    """
    listed, more = page
    if feature is None or listed or more is not None or after is not None:
        return
    if store.feature(feature) is None:
        raise NotFound(f"there is no feature {feature[:100]}", code="feature_not_found")
