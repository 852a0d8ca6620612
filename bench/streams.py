"""Read a table's stream on the real engine as Lambda's poller does: every record of every shard, in order."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

RECORDS_MAX = 1000
FILTER_PREFIXES = ("EVENT#", "CELL#", "TOTAL#", "OUTBOX#", "PROBE")


@dataclass(slots=True)
class StreamReader:
    """A reader that remembers its position. A new reader begins at the trim horizon."""

    streams: Any
    stream_arn: str
    size: int = RECORDS_MAX
    _iterators: dict[str, str] = field(default_factory=dict)

    def batches(self) -> Iterator[dict[str, Any]]:
        """Yield the records since the last call as events of the event source mapping, with the mapping's filter."""
        for shard in self._shards():
            iterator = self._iterators.get(shard) or self._begin(shard)
            while True:
                answer = self.streams.get_records(ShardIterator=iterator, Limit=self.size)
                records = [record for raw in answer["Records"] if (record := _record(raw)) is not None]
                if records:
                    yield {"Records": records, "shardId": shard}
                iterator = answer.get("NextShardIterator") or iterator
                self._iterators[shard] = iterator
                if not answer["Records"]:
                    break

    def _shards(self) -> list[str]:
        description = self.streams.describe_stream(StreamArn=self.stream_arn)["StreamDescription"]
        return [shard["ShardId"] for shard in description["Shards"]]

    def _begin(self, shard: str) -> str:
        answer = self.streams.get_shard_iterator(
            StreamArn=self.stream_arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
        )
        iterator: str = answer["ShardIterator"]
        return iterator


def reader(dynamodb: Any, streams: Any, table: str, size: int = RECORDS_MAX) -> StreamReader:
    """Return a reader of a table's stream from its beginning, in batches of at most `size` records."""
    return StreamReader(streams, dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"], size)


def _record(raw: dict[str, Any]) -> dict[str, Any] | None:
    """A record of the API in Lambda's form; None if the filter drops it."""
    change = raw["dynamodb"]
    key = change["Keys"]
    if raw["eventName"] == "REMOVE":
        return None
    if not key["pk"]["S"].startswith(FILTER_PREFIXES) and key["sk"]["S"] != "EFFECTIVE":
        return None
    written = change.get("ApproximateCreationDateTime", 0)
    found: dict[str, Any] = {
        "Keys": key,
        "SequenceNumber": change["SequenceNumber"],
        "ApproximateCreationDateTime": written.timestamp() if isinstance(written, datetime) else written,
    }
    for image in ("OldImage", "NewImage"):
        if image in change:
            found[image] = {name: json_typed(typed) for name, typed in change[image].items()}
    return {"eventName": raw["eventName"], "dynamodb": found}


def json_typed(typed: dict[str, Any]) -> dict[str, Any]:
    """A typed value in Lambda's JSON form."""
    ((kind, value),) = typed.items()
    if kind == "B":
        return {"B": base64.b64encode(bytes(value)).decode()}
    if kind == "BS":
        return {"BS": [base64.b64encode(bytes(element)).decode() for element in value]}
    return {kind: value}
