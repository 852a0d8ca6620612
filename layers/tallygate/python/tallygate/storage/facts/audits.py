"""The audit trail: entries are put once, in the transaction of the change that they document, and kept.

AUDIT#<customer>   <at, ms>#<id>   customer, action, actor, key_id, reason, feature, about, before, after (JSON)
AUDIT#             <at, ms>#<id>   the same for changes that concern no customer
"""

from __future__ import annotations

from tallygate.domain.facts.audits import Audit
from tallygate.operations.base.ports import Moves
from tallygate.storage.base import items, keys
from tallygate.storage.base.attributes import Attributes
from tallygate.storage.base.engine import Engine, Put
from tallygate.storage.base.expressions import Absent, Item

_AUDITS = Attributes(Audit, apart=("id", "at"))


class Audits:
    """Reads and writes of the audit trail."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, audit: Audit) -> Moves:
        return (put_audit(audit),)

    def page(self, customer: str | None, *, after: str | None, limit: int) -> tuple[tuple[Audit, ...], str | None]:
        partition = keys.audit_partition(customer)
        page = self._engine.query(partition, after=after, newest_first=True, limit=limit, consistent=True)
        return tuple(audit_of(item) for item in page.items), page.next_after


def put_audit(audit: Audit) -> Put:
    """Return the write that adds an entry. It is refused where its id is taken."""
    return Put(key=keys.audit(audit.customer, audit.at, audit.id), item=_AUDITS.item(audit), condition=Absent("pk"))


def audit_of(item: Item) -> Audit:
    """Return the audit entry of an item."""
    at, _, audit_id = items.text(item, "sk").partition("#")
    return _AUDITS.value(item, id=audit_id, at=int(at))
