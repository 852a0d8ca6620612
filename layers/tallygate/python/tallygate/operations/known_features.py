"""known_features: tell an empty list of a feature from the list of a misspelt one."""

from __future__ import annotations

from collections.abc import Sized

from tallygate.errors import NotFound
from tallygate.store import UsageStore


def require_known(store: UsageStore, feature: str | None, page: tuple[Sized, str | None], *, after: str | None) -> None:
    """Raises NotFound where a list has nothing of a feature, and the catalog does not have the feature either.

    What is listed of one that has left the catalog is history, and stays. `page` is what was listed and where to go on;
    only a first page that is the last one proves an empty list. One request, only then.
    """
    listed, more = page
    if feature is None or listed or more is not None or after is not None:
        return
    if store.feature(feature) is None:
        raise NotFound(f"there is no feature {feature[:100]}", code="feature_not_found")
