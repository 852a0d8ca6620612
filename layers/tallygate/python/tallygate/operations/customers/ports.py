"""Ports: what the operations of this room ask of storage, and the values that it answers with."""

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
    """Nothing was written: the customer, or the plan's mark, is not what was seen; read again."""


@dataclass(frozen=True, slots=True)
class SubjectsTaken:
    """Nothing was written: these subject keys belong to other customers."""

    subject_keys: tuple[str, ...]


class CustomerStore(Protocol):
    """Customers with their subscriptions and limits in force."""

    def customer(self, customer: str) -> CustomerRecord | None:
        """The customer, consistent. A save that is based on it is refused if any part of it has changed since."""

    def save(
        self,
        seen: CustomerRecord | None,
        wanted: CustomerRecord,
        marks: Sequence[PlanId],
        *,
        catalog: int,
        beside: Moves = (),
    ) -> Saved | CustomerMoved | SubjectsTaken:
        """Write what differs, claim and give up subject keys, mark the plans in use, and make the moves `beside`: all
        or none, in one transaction.

        Refused where a plan to be marked is not the one that the catalog had at the version `catalog`.
        """

    def change(self, seen: CustomerRecord, wanted: CustomerRecord) -> Moves:
        """The writes of a change that claims no subject key, and takes no plan but one that has become due, which is in
        use already; refused unless it is as it was seen."""


class KeyStore(Protocol):
    """API keys."""

    def create(self, key: ApiKey, digest: str) -> Moves:
        """The writes that add a key; refused where its id or digest is taken."""

    def key(self, key_id: str) -> KeyTexts | None:
        """The key and the digests of its texts, consistent, with the last use of each. One request for the key and one
        for each text."""

    def rotate(self, seen: KeyTexts, wanted: KeyTexts) -> Moves:
        """The writes that make other texts valid for a key; refused where its texts are not as they were seen."""

    def page(self, *, after: str | None, limit: int) -> tuple[tuple[KeyTexts, ...], str | None]:
        """Some keys in order of their ids, each with its last use, and where to go on.

        One request for the list and one for each text.
        """

    def delete(self, seen: KeyTexts, *, beside: Moves = ()) -> bool:
        """Remove a key with all its texts, and make the moves `beside`; False: its texts are not as they were seen."""
