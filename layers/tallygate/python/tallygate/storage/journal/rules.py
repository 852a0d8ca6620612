"""The rules by which events are resolved: the limits in force and the catalog.

Both are read consistently, after the event was stored. So they are at least as new as when the event was accepted. The
needed part of the catalog is cached by its version.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

from tallygate.domain.base.instants import Instant
from tallygate.domain.catalog import forms
from tallygate.domain.catalog.catalog import Catalog, Feature, upgrades
from tallygate.domain.limits.limits import Effective
from tallygate.domain.metering.meters import Meters
from tallygate.operations.limits.ports import LimitsOf
from tallygate.storage.admission.secrets import DecisionSecrets
from tallygate.storage.base import keys
from tallygate.storage.base.engine import Engine
from tallygate.storage.limits.versions import effective_at, effective_of, former_limits
from tallygate.storage.metering.rules import catalog_entries, catalog_version, form_of, read_meters


@dataclass(slots=True)
class Rules:
    """Caches one catalog. Every method is one request while nothing has changed."""

    engine: Engine
    _secrets: DecisionSecrets = field(init=False)
    _version: int | None = None
    _meters: Meters = Meters()  # noqa: RUF009  # immutable

    def __post_init__(self) -> None:
        self._secrets = DecisionSecrets(self.engine)

    def effective(self, customer: str) -> Effective | None:
        return effective_at(self.engine, customer)

    def effectives(self, customers: Collection[str]) -> LimitsOf:
        found = self.engine.get_many([keys.effective(customer) for customer in customers])

        # Read at the lookup, so that limits that cannot be read stop their own customer alone.
        def limits_of(customer: str) -> Effective | None:
            item = found.get(keys.effective(customer))
            return None if item is None else effective_of(item)

        return limits_of

    def former_limits(self, customer: str, before: Instant) -> Iterator[Effective]:
        return former_limits(self.engine, customer, before)

    def decision_secret(self) -> bytes | None:
        return self._secrets.known()

    def meters(self) -> Meters:
        """Return the catalog's meters, read consistently. Entries read after a version are at least of that version."""
        version = catalog_version(self.engine)
        if version != self._version:
            plans = tuple(forms.plan_of(form) for form in catalog_entries(self.engine, "PLAN#"))
            catalog = Catalog(plans=plans)
            offered = {plan.id: upgrades(catalog, plan) for plan in plans}
            self._meters = replace(read_meters(self.engine), upgrades=offered)
            self._version = version
        return self._meters

    def feature(self, feature: str) -> Feature | None:
        item = self.engine.get(keys.catalog_feature(feature), consistent=False)
        return None if item is None else forms.feature_of(form_of(item))
