"""Doing one thing with each of many values, perhaps several at a time: the seam where a function brings its threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol

from tallygate.errors import TallygateError


class Each(Protocol):
    """Calls a function with each of some values, perhaps several at a time; answers, in order, when all are done."""

    def __call__(self, function: Callable[[Any], Any], values: Sequence[Any]) -> Sequence[Any]: ...


def in_turn(function: Callable[[Any], Any], values: Sequence[Any]) -> Sequence[Any]:
    """`Each`, one at a time."""
    return [function(value) for value in values]


def threaded(threads: Executor) -> Each:
    """`Each`, several at a time on these threads; a single value needs none."""

    def each(function: Callable[[Any], Any], values: Sequence[Any]) -> Sequence[Any]:
        return list(threads.map(function, values)) if len(values) > 1 else in_turn(function, values)

    return each


def attempt(
    each: Each, function: Callable[[Any], Any], values: Sequence[Any]
) -> tuple[list[Any], list[TallygateError]]:
    """Call the function with every value, whatever becomes of the others: the answers, and the failures."""

    def guarded(value: Any) -> Any:
        try:
            return function(value)
        except TallygateError as error:
            return error

    outcomes = each(guarded, values)
    failures = [outcome for outcome in outcomes if isinstance(outcome, TallygateError)]
    return [outcome for outcome in outcomes if not isinstance(outcome, TallygateError)], failures
