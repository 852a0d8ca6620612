"""API keys that are made without an API key: those of a local stack, and the first one of a stack on AWS.

    python -m local.keys --stack tallygate [--name first] [--scopes "manage ingest check"]

The layer's own storage writes them, so every key is stored in the same way: by the digest of its text. Everyone who can
write to the table can make a key. This makes the first key possible; it is also a reason to protect the table.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from local.emulator import Clients, write_whole
from local.layout import Layout
from tallygate.domain.customers import api_keys, key_scopes
from tallygate.domain.customers.api_keys import ApiKey, digest_of
from tallygate.storage.base.boto import BotoClient, boto_client
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.customers.api_keys import ApiKeys

# Scopes of each key of a local stack, by its name in the handle.
SCOPES = {
    "manage_key": ("manage", "ingest", "check"),
    "ingest_key": ("ingest",),
    "check_key": ("check",),
}


def bootstrap(layout: Layout, clients: Clients, table: str) -> dict[str, str]:
    """Return the stack's keys by name. Make sure that the table has each of them."""
    if layout.keys.exists():
        texts: dict[str, str] = json.loads(layout.keys.read_text())
    else:
        texts = {name: new_text() for name in SCOPES}
        write_whole(layout.keys, json.dumps(texts, indent=2))
    engine = DynamoEngine(BotoClient(clients.of("dynamodb")), table)
    for name, text in texts.items():
        # At every start: the table may have lost them after an unclean stop. An existing key is not changed.
        add(engine, f"local_{name}", f"{name.removesuffix('_key')} (local stack)", SCOPES[name], text)
    return texts


def new_text() -> str:
    """Make a key: 43 random characters after a prefix that scanners for leaked secrets can recognise."""
    return f"{api_keys.PREFIX}{secrets.token_urlsafe(32)}"


def add(engine: DynamoEngine, key_id: str, name: str, scopes: tuple[str, ...], text: str) -> None:
    """Add the key, unless it exists."""
    now = time.time_ns() // 1_000_000
    key = ApiKey(id=key_id, name=name, scopes=scopes, customer=None, expires_at=None, created_at=now)
    writes: Any = ApiKeys(engine).create(key, digest_of(text))  # opaque to operations; written directly here
    engine.transact(writes, repeatable=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.keys", description="Make a deployed stack's first API key.")
    parser.add_argument("--stack", default="tallygate")
    parser.add_argument("--name", default="first")
    parser.add_argument("--scopes", default="manage ingest check")
    arguments = parser.parse_args()
    scopes = tuple(arguments.scopes.split())
    unknown = sorted(set(scopes) - set(key_scopes.SCOPES))
    if unknown or not scopes:
        print(f"Scopes are manage, ingest and check; unknown: {' '.join(unknown) or 'none given'}", file=sys.stderr)
        return 2
    try:
        engine = DynamoEngine(boto_client(), table_of(arguments.stack))
        text = new_text()
        add(engine, f"key_{secrets.token_hex(12)}", arguments.name, scopes, text)
    except (BotoCoreError, ClientError, LookupError) as error:
        print(f"No key was made for the stack {arguments.stack}: {error}", file=sys.stderr)
        return 1
    print(f"{text}\n\nShown once. Scopes: {', '.join(scopes)}. DELETE /v1/keys/… revokes it.")
    return 0


def table_of(stack: str) -> str:
    """The table of a deployed stack. Raises LookupError if the stack has no such output."""
    stacks = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    outputs: dict[str, Any] = {o["OutputKey"]: o["OutputValue"] for o in stacks[0].get("Outputs", [])}
    if "TableName" not in outputs:
        raise LookupError("it has no output TableName")
    return str(outputs["TableName"])


if __name__ == "__main__":
    sys.exit(main())
