"""Keys of the one table. A prefix of the partition key is a privilege boundary: the template grants by it.

Foreign ids (customers, features, event ids, dimension values) are escaped so that no id can forge another's key: `%`,
`#` and control characters become %XX, and what is longer than 200 characters becomes its digest. DynamoDB counts the
bytes of a key: 2,048 for a partition key, 1,024 for a sort key. Two escaped ids always fit the first; where more than
one stands in a sort key, the whole becomes its digest beyond the bound.
"""

from __future__ import annotations

import hashlib
import re

from tallygate.domain.limits.counters import CellName
from tallygate.storage.base.engine import Key

DUE_SHARDS = 16
DELIVERY_SHARD = "d"
EVENT_PARTITIONS = 16
"""Fixed for ever: an event's partition is part of its identity."""
PLAIN_LENGTH_MAX = 200
SORT_KEY_BYTES_MAX = 1_024

_UNSAFE = re.compile(r"[%#\x00-\x1f\x7f]")
_ESCAPED = re.compile(r"%([0-9A-F]{2})")


def escaped(foreign: str) -> str:
    """A foreign id as part of a key: reversible up to 200 characters, `%~` and a digest beyond."""
    if len(foreign) > PLAIN_LENGTH_MAX:
        return _digest(foreign)
    if not _UNSAFE.search(foreign):
        return foreign
    return _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", foreign)


def _digest(text: str) -> str:
    return "%~" + hashlib.sha256(text.encode()).hexdigest()


def unescaped(part: str) -> str | None:
    """The foreign id that a part of a key stands for; None where it is only its digest."""
    if part.startswith("%~"):
        return None
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), part)


def bounded(sort_key: str) -> str:
    """A sort key that nobody reads back: itself, or its digest where it is longer than one can be."""
    return sort_key if len(sort_key.encode()) <= SORT_KEY_BYTES_MAX else _digest(sort_key)


def shard_of(text: str, shards: int = DUE_SHARDS) -> str:
    """A stable shard number for a text."""
    return str(int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) % shards)


PLAN_SHARDS = 16
"""So many customers may take one plan at once without meeting at its counter."""
PLAN_CUSTOMERS = "CUSTOMERS#"
BEFORE_CATALOG = "CUSTOMERS$"
"""Lies between the counters and the entries, so that whoever reads the catalog passes the counters over."""
OWN_LIMIT = "LIMIT#"
EFFECTIVE_VERSION = "EFFECTIVE#"
CATALOG_PARTITION = "CATALOG"
ENDPOINT_PARTITION = "ENDPOINT"
KEYS_PARTITION = "KEYS"
CLOCK = Key("CLOCK", "CLOCK")
DECISION_SECRET = Key("SECRET#decisions", "SECRET")
CATALOG_HEAD = Key(CATALOG_PARTITION, "HEAD")
CATALOG_SETTINGS = Key(CATALOG_PARTITION, "SETTINGS")


def catalog_feature(feature: str) -> Key:
    return Key(CATALOG_PARTITION, f"FEATURE#{escaped(feature)}")


def catalog_meter(meter: str) -> Key:
    return Key(CATALOG_PARTITION, f"METER#{escaped(meter)}")


def catalog_plan(plan: str, version: int) -> Key:
    """Versions of a plan sort by number."""
    return Key(CATALOG_PARTITION, f"PLAN#{escaped(plan)}#{version:06d}")


def plan_customers(plan: str, version: int, customer: str) -> Key:
    """The counter of a plan version's customers that this customer is counted by. Sorts before all of the catalog."""
    shard = shard_of(customer, PLAN_SHARDS)
    return Key(CATALOG_PARTITION, f"{PLAN_CUSTOMERS}{escaped(plan)}#{version:06d}#{shard}")


def former(entry: Key) -> Key:
    """Where the catalog remembers an entry that was removed."""
    return Key(entry.pk, f"FORMER#{entry.sk}")


def customer_partition(customer: str) -> str:
    return f"CUSTOMER#{escaped(customer)}"


def profile(customer: str) -> Key:
    return Key(customer_partition(customer), "PROFILE")


def subscription(customer: str) -> Key:
    return Key(customer_partition(customer), "SUBSCRIPTION")


def effective(customer: str) -> Key:
    return Key(customer_partition(customer), "EFFECTIVE")


def effective_version(customer: str, since: int) -> Key:
    """Limits that were in force from an instant on. Versions sort by time."""
    return Key(customer_partition(customer), f"{EFFECTIVE_VERSION}{since:015d}")


def own_limit(customer: str, name: str) -> Key:
    return Key(customer_partition(customer), f"{OWN_LIMIT}{escaped(name)}")


def subject(subject_key: str) -> Key:
    return Key(f"SUBJECT#{escaped(subject_key)}", "SUBJECT")


def cell(cell_name: CellName) -> Key:
    """The item of a cell. So far there are root cells alone."""
    assert not cell_name.dimensions, "a cell with free dimensions has no item yet"
    return Key(f"CELL#{escaped(cell_name.customer)}#{escaped(cell_name.feature)}", "ROOT")


def receipt(customer: str, operation: str, idempotency_key: str) -> Key:
    """`customer` may be "" for receipts of the control plane that no customer owns; their operation names the path, and
    so foreign ids."""
    return Key(f"RECEIPT#{escaped(customer)}", bounded(f"{operation}#{escaped(idempotency_key)}"))


def event(customer: str, source: str, event_id: str) -> Key:
    """Source and id together may be longer than a sort key can be: then their digest stands there."""
    identity = f"{escaped(source)}#{escaped(event_id)}"
    return Key(f"EVENT#{escaped(customer)}#{shard_of(identity, EVENT_PARTITIONS)}", bounded(identity))


def journal_of(owner: str) -> str:
    """The journal's partition of a customer as it stands in keys: what a stream record's own key says."""
    return f"JOURNAL#{owner}"


def journal_record(owner: str, number: int) -> Key:
    return Key(journal_of(owner), f"{number:020d}")


def journal_cursor(owner: str) -> Key:
    """Sorts after every record, so that one backward query of two finds the cursor and the head."""
    return Key(journal_of(owner), "CURSOR")


def total_partition(customer: str) -> str:
    return f"TOTAL#{escaped(customer)}"


def total_prefix(feature: str, ordinal: int) -> str:
    """What the sort keys of a quota's totals begin with."""
    return f"{escaped(feature)}#{ordinal:06d}#"


def total(customer: str, feature: str, ordinal: int, start: int) -> Key:
    return Key(total_partition(customer), f"{escaped(feature)}#{ordinal:06d}#{start:015d}")


def usage_partition(customer: str, meter: str) -> str:
    return f"USAGE#{escaped(customer)}#{escaped(meter)}"


def usage(customer: str, meter: str, day: str, dimensions: str) -> Key:
    """`day` is a UTC date, `dimensions` their canonical text (which may be long: then its digest stands here)."""
    return Key(usage_partition(customer, meter), f"{day}#{escaped(dimensions)}")


def feed(customer: str, feature: str) -> Key:
    return Key(f"FEED#{escaped(customer)}", escaped(feature))


def fact(fact_id: str) -> Key:
    return Key(f"OUTBOX#{fact_id}", "FACT")


def delivery_partition(fact_id: str) -> str:
    return f"DELIVERY#{fact_id}"


def delivery(fact_id: str, endpoint: str) -> Key:
    return Key(delivery_partition(fact_id), endpoint)


def delivery_shard(fact_id: str, endpoint: str) -> str:
    """The due shard of a delivery. Deliveries have shards of their own, so that a month's end with its thousands of
    periods to close delays no retry, and a receiver's outage delays no closing."""
    return f"{DELIVERY_SHARD}{shard_of(f'{fact_id}#{endpoint}')}"


def endpoint(endpoint_id: str) -> Key:
    return Key(ENDPOINT_PARTITION, escaped(endpoint_id))


def endpoint_deliveries_partition(endpoint_id: str) -> str:
    """Beside the deliveries, whose ids begin otherwise: whoever may touch the one may touch the other."""
    return f"DELIVERY#{endpoint_id}"


def endpoint_delivery(endpoint_id: str, created_at: int, fact_id: str) -> Key:
    """The listing entry of a delivery under its endpoint, in order of time; the delivery itself says how it stands."""
    return Key(endpoint_deliveries_partition(endpoint_id), f"{created_at:015d}#{fact_id}")


def api_key(digest: str) -> Key:
    return Key(f"KEY#{digest}", "KEY")


def api_key_entry(key_id: str) -> Key:
    """The listing entry of a key; it holds the digest, never the key."""
    return Key(KEYS_PARTITION, escaped(key_id))


def audit_partition(customer: str | None) -> str:
    """A customer's trail; None: the stack's own. No customer's id is empty."""
    return f"AUDIT#{escaped(customer) if customer is not None else ''}"


def audit(customer: str | None, at: int, audit_id: str) -> Key:
    """Entries sort by time."""
    return Key(audit_partition(customer), f"{at:015d}#{audit_id}")


def adjustment_partition(customer: str, feature: str | None = None) -> str:
    """Adjustments of a customer, or of one of its features."""
    return f"ADJUSTMENT#{escaped(customer)}" + ("" if feature is None else f"#{escaped(feature)}")


def adjustment(customer: str, feature: str | None, at: int, adjustment_id: str) -> Key:
    """Adjustments sort by time."""
    return Key(adjustment_partition(customer, feature), f"{adjustments_before(at)}#{adjustment_id}")


def adjustments_before(at: int) -> str:
    """Sorts after every adjustment before an instant, and before all others."""
    return f"{at:015d}"


def rejections_of(owner: str) -> str:
    """`owner` is a customer, or "" where none is known."""
    return f"REJECTED#{escaped(owner)}"


def rejection(owner: str, minute: int, *what: str) -> Key:
    """Rejections sort by minute; `what` is the code, and what sets it apart."""
    return Key(rejections_of(owner), "#".join((f"{minute:010d}", *what)))


def rejections_after(instant: int) -> str:
    """Sorts after every rejection of the minutes up to the one that holds the instant, before all later ones."""
    return f"{instant // 60_000 + 1:010d}"


def probe(probe_id: str) -> Key:
    return Key("PROBE", probe_id)


def health() -> Key:
    """What the newest probe found. A partition of its own: the stream's reader marks whatever is put beside probes."""
    return Key("HEALTH", "fold")
