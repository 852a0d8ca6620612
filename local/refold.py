"""Count what the stream lost, because its reader failed for more than a day: `make refold`.

    make refold                      every customer of the local stack
    make refold STACK=tallygate      … of a stack on AWS, with your credentials
    … CUSTOMER=acme                  one customer

It prints what it appended for each customer, and what is lost for good. A second call appends nothing again. Without
CUSTOMER it reads the keys of the whole table.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from local.emulator import Clients
from local.keys import table_of
from local.layout import DEFAULT_PORT, Layout, StackError
from local.lifecycle import read_handle
from tallygate.domain.base.instants import format_instant
from tallygate.errors import TallygateError
from tallygate.operations.journal.append import JournalParts
from tallygate.operations.journal.refold import Refolded, refold
from tallygate.storage.base import keys
from tallygate.storage.base.boto import BotoClient, client_config
from tallygate.storage.base.clock import ClockItem
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Engine
from tallygate.storage.journal.first_use import CellFirstUse
from tallygate.storage.journal.records import Journal
from tallygate.storage.journal.refold import Compared
from tallygate.storage.journal.rules import Rules
from tallygate.storage.journal.totals import Totals
from tallygate.storage.metering.rejections import Rejections


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.refold", description="Count what the stream lost.")
    parser.add_argument("--stack", default="", help="a stack on AWS; default: the local stack")
    parser.add_argument("--folder", type=Path, default=Path(".local"), help="the folder of the local stack")
    parser.add_argument("--customer", default="", help="default: every customer")
    arguments = parser.parse_args()
    try:
        dynamodb, table = _table(arguments.stack, arguments.folder)
        failed = run(
            _on_real_time(DynamoEngine(BotoClient(dynamodb), table)),
            [arguments.customer] if arguments.customer else customers(dynamodb, table),
        )
    except (BotoCoreError, ClientError, LookupError, StackError) as error:
        print(f"Nothing can be read: {error}", file=sys.stderr)
        return 1
    return 1 if failed else 0


def _table(stack: str, folder: Path) -> tuple[Any, str]:
    """The client and the table of a stack. Raises LookupError and StackError."""
    if stack:
        return boto3.client("dynamodb", config=client_config()), table_of(stack)
    handle = read_handle(Layout(folder=folder.resolve(), port=DEFAULT_PORT))
    if handle is None:
        raise StackError("no local stack runs: make run, or name a stack on AWS with STACK=")
    port = int(handle.endpoint_url.rpartition(":")[2])
    return Clients(Layout(folder=folder.resolve(), port=port)).of("dynamodb"), handle.table


def _on_real_time(engine: Engine) -> Engine:
    """Return the engine of a stack whose clock is not set. Raises StackError."""
    if ClockItem(engine).frozen_at() is not None:
        raise StackError("the stack's clock is set, so nobody knows what its stream has dropped: unset it first")
    return engine


def customers(dynamodb: Any, table: str) -> Iterator[str]:
    """Yield the ids of all customers."""
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table,
        FilterExpression="sk = :profile AND begins_with(pk, :customer)",
        ExpressionAttributeValues={":profile": {"S": "PROFILE"}, ":customer": {"S": keys.customer_partition("")}},
        ProjectionExpression="pk",
    )
    for page in pages:
        for item in page["Items"]:
            customer = keys.unescaped(item["pk"]["S"].partition("#")[2])
            if customer is not None:
                yield customer


def run(engine: Engine, wanted: Iterator[str] | list[str]) -> int:
    """Refold these customers and print the results. Return the number of customers that failed."""
    parts = JournalParts(
        journal=Journal(engine),
        totals=Totals(engine),
        rules=Rules(engine),
        first_uses=CellFirstUse(engine),
        rejections=Rejections(engine),
    )
    failed = read = 0
    for customer in wanted:
        read += 1
        try:
            found = refold(parts, Compared(engine), customer, now=time.time_ns() // 1_000_000)
        except TallygateError as error:
            failed += 1
            print(f"{customer}: failed, try again: {error}", file=sys.stderr)
            continue
        for line in lines(customer, found):
            print(line)
    print(f"{read} customers compared" + (f", {failed} failed" if failed else ""))
    return failed


def lines(customer: str, found: Refolded) -> Iterator[str]:
    """Yield what is worth telling about a customer; nothing where its journal lacked nothing."""
    if found.events or found.entries:
        yield f"{customer}: appended {found.events} events and {found.entries} decisions or other writes"
    if found.unresolvable:
        yield f"{customer}: {found.unresolvable} events cannot be counted by the catalog as it is"
    for lost in found.lost:
        yield f"{customer}: {lost.feature}: {lost.revisions} writes are lost for good"
        for (ordinal, start), amount in lost.amounts.items():
            yield f"    limit {ordinal}, period from {format_instant(start)}: {amount} enforced and not billed"


if __name__ == "__main__":
    sys.exit(main())
