"""The stream of a memory engine, split over shards as DynamoDB splits it, and delivered as Lambda delivers it.

    shard-0 ──records──> split ──> shard-0.0, shard-0.1      a child is read when its parent has been read to the end

A record goes to the open shard of its partition key's hash. Each shard has a checkpoint. A failed batch is delivered
again from there, longer or shorter than before. An old batch may also be delivered once more.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from random import Random

from tallygate.storage.base.memory import Change, MemoryEngine
from tests.truth import wanted_by_the_filter

HASHES = 1 << 16


@dataclass(eq=False, slots=True)
class Shard:
    """A range of hashes, [low, high), with its records. `read` is the checkpoint."""

    name: str
    low: int
    high: int
    parent: Shard | None = None
    closed: bool = False
    records: list[Change] = field(default_factory=list)
    read: int = 0

    @property
    def finished(self) -> bool:
        """Whether the shard is closed, and it and its ancestors have been read completely."""
        done = self.closed and self.read == len(self.records)
        return done and (self.parent is None or self.parent.finished)

    @property
    def deliverable(self) -> bool:
        """Whether a batch could be delivered now."""
        return self.read < len(self.records) and (self.parent is None or self.parent.finished)


class Shards:
    """All shards, open and closed. `collect` distributes the engine's new records."""

    def __init__(self, engine: MemoryEngine, rng: Random, count: int) -> None:
        self._engine = engine
        self._rng = rng
        self._seen = 0
        edges = [HASHES * i // count for i in range(count + 1)]
        self.all = [Shard(f"shard-{i}", edges[i], edges[i + 1]) for i in range(count)]

    def collect(self) -> None:
        """Put every new record into the shard that is open for it."""
        for change in self._engine.stream[self._seen :]:
            if wanted_by_the_filter(change) and change.new is not None:
                self._open_for(change).records.append(change)
        self._seen = len(self._engine.stream)

    def _open_for(self, change: Change) -> Shard:
        place = zlib.crc32(change.key.pk.encode()) % HASHES
        return next(s for s in self.all if not s.closed and s.low <= place < s.high)

    def split(self) -> None:
        """Close an open shard and open two children in its place (or one, as when a shard is merely rolled)."""
        shard = self._rng.choice([s for s in self.all if not s.closed])
        if shard.high - shard.low < 2:
            return
        shard.closed = True
        middle = self._rng.choice([(shard.low + shard.high) // 2, shard.high])
        self.all.append(Shard(f"{shard.name}.0", shard.low, middle, shard))
        if middle < shard.high:
            self.all.append(Shard(f"{shard.name}.1", middle, shard.high, shard))

    @property
    def deliverable(self) -> list[Shard]:
        return [shard for shard in self.all if shard.deliverable]
