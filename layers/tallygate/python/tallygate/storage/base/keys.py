"""Keys of the table. The prefix of a partition key is a privilege boundary: the template grants access by it.

Foreign ids (customers, features, event ids, dimension values) are escaped, so that no id can forge another's key. `%`,
`#` and control characters become %XX; an id of more than 200 characters becomes its digest. DynamoDB limits keys by
bytes: 2,048 for a partition key, 1,024 for a sort key. Two escaped ids always fit a partition key. A sort key with
several ids becomes a digest if it is longer than the bound.
"""

from __future__ import annotations

import hashlib
import re

from tallygate.domain.limits.counters import CellName
from tallygate.storage.base.engine import Key

DUE_SHARDS = 16
DELIVERY_SHARD = "d"
EVENT_PARTITIONS = 16
"""Never to be changed: an event's partition is part of its identity."""
PLAIN_LENGTH_MAX = 200
SORT_KEY_BYTES_MAX = 1_024

_UNSAFE = re.compile(r"[%#\x00-\x1f\x7f]")
_ESCAPED = re.compile(r"%([0-9A-F]{2})")


def escaped(foreign: str) -> str:
    """Return a foreign id as part of a key: reversible up to 200 characters; `%~` and a digest beyond."""
    if len(foreign) > PLAIN_LENGTH_MAX:
        return _digest(foreign)
    if not _UNSAFE.search(foreign):
        return foreign
    return _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", foreign)


def _digest(text: str) -> str:
    return "%~" + hashlib.sha256(text.encode()).hexdigest()


def unescaped(part: str) -> str | None:
    """Return the foreign id of a part of a key; None: the part is only a digest."""
    if part.startswith("%~"):
        return None
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), part)


def bounded(sort_key: str) -> str:
    """Return the sort key, or its digest if it is too long. Only for sort keys that are never read back."""
    return sort_key if len(sort_key.encode()) <= SORT_KEY_BYTES_MAX else _digest(sort_key)


def shard_of(text: str, shards: int = DUE_SHARDS) -> str:
    """Return a stable shard number for a text."""
    return str(int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) % shards)


PLAN_SHARDS = 16
"""How many counters each plan version has, so that customers taking the same plan at once rarely conflict."""
PLAN_CUSTOMERS = "CUSTOMERS#"
BEFORE_CATALOG = "CUSTOMERS$"
"""Sorts between the counters and the entries, so that a read of the catalog skips the counters."""
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
    """The counter that counts this customer for a plan version. Counters sort before all entries of the catalog."""
    shard = shard_of(customer, PLAN_SHARDS)
    return Key(CATALOG_PARTITION, f"{PLAN_CUSTOMERS}{escaped(plan)}#{version:06d}#{shard}")


def former(entry: Key) -> Key:
    """The key of a removed entry."""
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
    """The version of the limits in force since an instant. Versions sort by time."""
    return Key(customer_partition(customer), f"{EFFECTIVE_VERSION}{since:015d}")


def own_limit(customer: str, name: str) -> Key:
    return Key(customer_partition(customer), f"{OWN_LIMIT}{escaped(name)}")


def subject(subject_key: str) -> Key:
    return Key(f"SUBJECT#{escaped(subject_key)}", "SUBJECT")


def cell(cell_name: CellName) -> Key:
    """The item of a cell. In this version only root cells exist."""
    assert not cell_name.dimensions, "a cell with free dimensions has no item yet"
    return Key(f"CELL#{escaped(cell_name.customer)}#{escaped(cell_name.feature)}", "ROOT")


def receipt(customer: str, operation: str, idempotency_key: str) -> Key:
    """The receipt of an operation.

    customer: "": a receipt of the control plane without a customer; its operation names the path, with foreign ids
    """
    return Key(f"RECEIPT#{escaped(customer)}", bounded(f"{operation}#{escaped(idempotency_key)}"))


def event(customer: str, source: str, event_id: str) -> Key:
    """The item of an event. If source and id together exceed a sort key, their digest replaces them."""
    identity = f"{escaped(source)}#{escaped(event_id)}"
    return Key(f"EVENT#{escaped(customer)}#{shard_of(identity, EVENT_PARTITIONS)}", bounded(identity))


def event_partitions(customer: str) -> tuple[str, ...]:
    """The partitions of a customer's events."""
    return tuple(f"EVENT#{escaped(customer)}#{shard}" for shard in range(EVENT_PARTITIONS))


def journal_of(owner: str) -> str:
    """The partition of a customer's journal.

    owner: the customer's id in the form used in keys, as in the key of a stream record
    """
    return f"JOURNAL#{owner}"


def journal_record(owner: str, number: int) -> Key:
    return Key(journal_of(owner), f"{number:020d}")


def journal_start(owner: str) -> Key:
    """The journal's newest beginning.

    It sorts after every record, so a backward query of two items finds it and the head.
    """
    return Key(journal_of(owner), "START")


def total_partition(customer: str) -> str:
    return f"TOTAL#{escaped(customer)}"


def total_prefix(feature: str, ordinal: int) -> str:
    """The prefix of the sort keys of a quota's totals."""
    return f"{escaped(feature)}#{ordinal:06d}#"


def total(customer: str, feature: str, ordinal: int, start: int) -> Key:
    return Key(total_partition(customer), f"{escaped(feature)}#{ordinal:06d}#{start:015d}")


def usage_partition(customer: str, meter: str) -> str:
    return f"USAGE#{escaped(customer)}#{escaped(meter)}"


def usage(customer: str, meter: str, day: str, dimensions: str) -> Key:
    """The usage of a meter.

    day: a UTC date
    dimensions: their canonical text, replaced by its digest if it is long
    """
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
    """The due shard of a delivery.

    Deliveries have their own shards. So thousands of closings at a month's end delay no retry, and a receiver's outage
    delays no closing.
    """
    return f"{DELIVERY_SHARD}{shard_of(f'{fact_id}#{endpoint}')}"


def endpoint(endpoint_id: str) -> Key:
    return Key(ENDPOINT_PARTITION, escaped(endpoint_id))


def endpoint_deliveries_partition(endpoint_id: str) -> str:
    """The partition of an endpoint's list of deliveries.

    It has the prefix of deliveries, whose fact ids begin differently, so one grant covers both.
    """
    return f"DELIVERY#{endpoint_id}"


def endpoint_delivery(endpoint_id: str, created_at: int, fact_id: str) -> Key:
    """The list entry of a delivery under its endpoint, in order of time. The delivery itself holds its status."""
    return Key(endpoint_deliveries_partition(endpoint_id), f"{created_at:015d}#{fact_id}")


def api_key(digest: str) -> Key:
    return Key(f"KEY#{digest}", "KEY")


def api_key_entry(key_id: str) -> Key:
    """The list entry of a key. It holds the digest, never the key."""
    return Key(KEYS_PARTITION, escaped(key_id))


def audit_partition(customer: str | None) -> str:
    """The partition of a customer's audit trail; None: the stack's own trail. No customer's id is empty."""
    return f"AUDIT#{escaped(customer) if customer is not None else ''}"


def audit(customer: str | None, at: int, audit_id: str) -> Key:
    """An audit entry. Entries sort by time."""
    return Key(audit_partition(customer), f"{at:015d}#{audit_id}")


def adjustment_partition(customer: str, feature: str | None = None) -> str:
    """The partition of a customer's adjustments, or of one feature's."""
    return f"ADJUSTMENT#{escaped(customer)}" + ("" if feature is None else f"#{escaped(feature)}")


def adjustment(customer: str, feature: str | None, at: int, adjustment_id: str) -> Key:
    """An adjustment. Adjustments sort by time."""
    return Key(adjustment_partition(customer, feature), f"{adjustments_before(at)}#{adjustment_id}")


def adjustments_before(at: int) -> str:
    """A sort key after every adjustment before the instant, and before all later ones."""
    return f"{at:015d}"


def rejections_of(owner: str) -> str:
    """The partition of rejections.

    owner: a customer, or "" where the customer is unknown
    """
    return f"REJECTED#{escaped(owner)}"


def rejection(owner: str, minute: int, *what: str) -> Key:
    """A rejection. Rejections sort by minute.

    what: the code, and what else distinguishes it
    """
    return Key(rejections_of(owner), "#".join((f"{minute:010d}", *what)))


def rejections_after(instant: int) -> str:
    """A sort key after every rejection of the minutes up to the instant's minute, and before all later ones."""
    return f"{instant // 60_000 + 1:010d}"


def probe(probe_id: str) -> Key:
    return Key("PROBE", probe_id)


def health() -> Key:
    """The result of the newest probe.

    It has its own partition, because the stream's reader marks every item beside probes.
    """
    return Key("HEALTH", "fold")
