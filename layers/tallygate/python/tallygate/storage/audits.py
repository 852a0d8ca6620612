"""The audit family: entries that are put once, in the transaction of the change that they tell of, and kept.

AUDIT#<customer>   <at, ms>#<id>   customer, action, actor, key_id, reason, feature, about, before, after (JSON)
AUDIT#             <at, ms>#<id>   the same of changes that concern no customer
"""

from __future__ import annotations

from tallygate.domain.audits import Audit
from tallygate.storage import items, keys
from tallygate.storage.engine import Engine, Put
from tallygate.storage.expressions import Absent, Item
from tallygate.store import Moves


class Audits:
    """What the control plane asks of storage about the audit trail."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, audit: Audit) -> Moves:
        """The write that adds an entry; refused where its id is taken."""
        return (put_audit(audit),)

    def page(self, customer: str | None, *, after: str | None, limit: int) -> tuple[tuple[Audit, ...], str | None]:
        """Some entries of a customer (None: the stack's own), the newest first, and where to go on. One request."""
        partition = keys.audit_partition(customer)
        page = self._engine.query(partition, after=after, newest_first=True, limit=limit, consistent=True)
        return tuple(audit_of(item) for item in page.items), page.next_after


def put_audit(audit: Audit) -> Put:
    """The write that adds an entry; refused where its id is taken."""
    return Put(key=keys.audit(audit.customer, audit.at, audit.id), item=_item(audit), condition=Absent("pk"))


def _item(audit: Audit) -> Item:
    item: Item = {
        "action": audit.action,
        "actor": audit.actor,
        "reason": audit.reason,
        "about": items.compact(dict(audit.about)),
    }
    if audit.customer is not None:
        item["customer"] = audit.customer
    if audit.key_id is not None:
        item["key_id"] = audit.key_id
    if audit.feature is not None:
        item["feature"] = audit.feature
    for name, form in (("before", audit.before), ("after", audit.after)):
        if form is not None:
            item[name] = items.compact(dict(form))
    return item


def audit_of(item: Item) -> Audit:
    """The entry that an item states."""
    at, _, audit_id = items.text(item, "sk").partition("#")
    return Audit(
        id=audit_id,
        customer=items.text(item, "customer") if "customer" in item else None,
        at=int(at),
        action=items.text(item, "action"),
        actor=items.text(item, "actor"),
        key_id=items.text(item, "key_id") if "key_id" in item else None,
        reason=items.text(item, "reason"),
        feature=items.text(item, "feature") if "feature" in item else None,
        about=items.read_document(items.text(item, "about")),
        before=items.read_document(items.text(item, "before")) if "before" in item else None,
        after=items.read_document(items.text(item, "after")) if "after" in item else None,
    )
