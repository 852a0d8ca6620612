"""Ports: the storage interface of this room's operations, and the values that storage returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tallygate.domain.catalog.catalog import PlanId
from tallygate.domain.customers.api_keys import ApiKey, KeyTexts
from tallygate.domain.customers.customers import CustomerRecord
from tallygate.operations.base.ports import Moves


@dataclass(frozen=True, slots=True)
class Saved:
    """The customer was written."""


@dataclass(frozen=True, slots=True)
class CustomerMoved:
    """Nothing was written: the customer, or the mark of a plan, is not as it was seen. Read again."""


@dataclass(frozen=True, slots=True)
class SubjectsTaken:
    """Nothing was written: these subject keys belong to other customers."""

    subject_keys: tuple[str, ...]


class CustomerStore(Protocol):
    """Customers with their subscriptions and limits in force."""

    def customer(self, customer: str) -> CustomerRecord | None:
        """Return the customer, read consistently. A save based on it is refused if any part of it has changed since."""

    def save(
        self,
        seen: CustomerRecord | None,
        wanted: CustomerRecord,
        marks: Sequence[PlanId],
        *,
        catalog: int,
        beside: Moves = (),
    ) -> Saved | CustomerMoved | SubjectsTaken:
        """Write the differences in one transaction, all or nothing.

        It claims and releases subject keys, marks the plans in use, and makes the moves `beside`. It is refused where a
        plan to be marked is not the one that the catalog had at the version `catalog`.
        """

    def change(self, seen: CustomerRecord, wanted: CustomerRecord) -> Moves:
        """Return the writes of a simple change. They are refused unless the customer is as it was seen.

        Such a change claims no subject key. It adds no plan, except one that has become due and is in use already.
        """


class KeyStore(Protocol):
    """API keys."""

    def create(self, key: ApiKey, digest: str) -> Moves:
        """Return the writes that add a key. They are refused where its id or digest is taken."""

    def key(self, key_id: str) -> KeyTexts | None:
        """Return the key, the digests of its texts and the last use of each, read consistently.

        One request for the key and one for each text.
        """

    def rotate(self, seen: KeyTexts, wanted: KeyTexts) -> Moves:
        """Return the writes that make other texts valid for a key.

        They are refused where its texts are not as they were seen.
        """

    def page(self, *, after: str | None, limit: int) -> tuple[tuple[KeyTexts, ...], str | None]:
        """Return a page of keys in order of their ids, each with its last use, and the next page's cursor.

        One request for the list and one for each text.
        """

    def delete(self, seen: KeyTexts, *, beside: Moves = ()) -> bool:
        """Remove a key with all its texts and make the moves `beside`. False: its texts are not as they were seen."""
