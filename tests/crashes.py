"""Crashes: an engine whose n-th request kills its caller, just before or just after the request's effect."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tallygate.storage.base.engine import Cancelled, Committed, Engine, Key, Page, Refused, Require, Write, Written
from tallygate.storage.base.expressions import Item

T = TypeVar("T")


class Crash(BaseException):
    """The process was killed. It is not an Exception, so that no handler catches it."""


@dataclass(slots=True)
class Fuse:
    """Raises Crash once, at the `at`-th step (from 1; 0: never).

    after: whether the step has its effect before the crash
    """

    at: int = 0
    after: bool = False
    steps: int = 0

    def step(self, act: Callable[[], T]) -> T:
        self.steps += 1
        burns = self.steps == self.at
        if burns and not self.after:
            raise Crash
        result = act()
        if burns:
            raise Crash
        return result


@dataclass(slots=True)
class FusedEngine:
    """An engine whose every request is a step of the fuse."""

    engine: Engine
    fuse: Fuse

    def get(self, key: Key, *, consistent: bool = True) -> Item | None:
        return self.fuse.step(lambda: self.engine.get(key, consistent=consistent))

    def get_many(self, wanted: Collection[Key]) -> Mapping[Key, Item]:
        return self.fuse.step(lambda: self.engine.get_many(wanted))

    def query(
        self,
        pk: str,
        *,
        prefix: str = "",
        after: str | None = None,
        until: str | None = None,
        newest_first: bool = False,
        limit: int | None = None,
        consistent: bool = False,
    ) -> Page:
        return self.fuse.step(
            lambda: self.engine.query(
                pk,
                prefix=prefix,
                after=after,
                until=until,
                newest_first=newest_first,
                limit=limit,
                consistent=consistent,
            )
        )

    def due(self, shard: str, until: int, limit: int) -> tuple[Key, ...]:
        return self.fuse.step(lambda: self.engine.due(shard, until, limit))

    def write(self, write: Write, *, repeatable: bool = False) -> Written | Refused:
        return self.fuse.step(lambda: self.engine.write(write, repeatable=repeatable))

    def transact(self, writes: Sequence[Write | Require], *, repeatable: bool = False) -> Committed | Cancelled:
        return self.fuse.step(lambda: self.engine.transact(writes, repeatable=repeatable))
