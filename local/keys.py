"""The first API keys of a local stack, which later ones can be made with.

Made once and kept in the stack's folder, so that scripts go on working after a restart. Stored as every key is: by
the digest of its text alone.
"""

import hashlib
import json
import secrets
import time

from local.emulator import Clients, write_whole
from local.layout import Layout

# What each key may do, by the name that the handle has for it.
SCOPES = {
    "manage_key": ["manage", "ingest", "check"],
    "ingest_key": ["ingest"],
    "check_key": ["check"],
}


def bootstrap(layout: Layout, clients: Clients, table: str) -> dict[str, str]:
    """The stack's keys by name, each of them known to the table."""
    if layout.keys.exists():
        keys: dict[str, str] = json.loads(layout.keys.read_text())
    else:
        keys = {name: f"tg_{secrets.token_urlsafe(32)}" for name in SCOPES}
        write_whole(layout.keys, json.dumps(keys, indent=2))
        layout.keys.chmod(0o600)
    dynamodb = clients.of("dynamodb")
    for name, key in keys.items():
        # Whole items every time: after an unclean stop the table may have lost it.
        digest = hashlib.sha256(key.encode()).hexdigest()
        record = {
            "key_id": {"S": f"local_{name}"},
            "name": {"S": f"{name.removesuffix('_key')} (local stack)"},
            "scopes": {"S": " ".join(SCOPES[name])},
            "created_at": {"N": str(time.time_ns() // 1_000_000)},
        }
        found = {"pk": {"S": f"KEY#{digest}"}, "sk": {"S": "KEY"}}
        listed = {"pk": {"S": "KEYS"}, "sk": record["key_id"], "digest": {"S": digest}}
        for place in (found, listed):
            dynamodb.put_item(TableName=table, Item={**place, **record})
    return keys
