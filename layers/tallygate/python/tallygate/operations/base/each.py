"""Calling a function for each of many values, perhaps several at a time. Functions pass their thread pool in here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol

from tallygate.errors import TallygateError


class Each(Protocol):
    """Calls a function with each value, perhaps several at a time.

    Returns the results in the order of the values, when all calls have ended.
    """

    def __call__(self, function: Callable[[Any], Any], values: Sequence[Any]) -> Sequence[Any]: ...


def in_turn(function: Callable[[Any], Any], values: Sequence[Any]) -> Sequence[Any]:
    """Implement `Each` with one call at a time."""
    return [function(value) for value in values]


def threaded(threads: Executor) -> Each:
    """Return an `Each` with several calls at a time on these threads. A single value needs no thread."""

    def each(function: Callable[[Any], Any], values: Sequence[Any]) -> Sequence[Any]:
        return list(threads.map(function, values)) if len(values) > 1 else in_turn(function, values)

    return each


def attempt(
    each: Each, function: Callable[[Any], Any], values: Sequence[Any]
) -> tuple[list[Any], list[TallygateError]]:
    """Call the function with every value, although some calls may fail. Return the results and the failures."""

    def guarded(value: Any) -> Any:
        try:
            return function(value)
        except TallygateError as error:
            return error

    outcomes = each(guarded, values)
    failures = [outcome for outcome in outcomes if isinstance(outcome, TallygateError)]
    return [outcome for outcome in outcomes if not isinstance(outcome, TallygateError)], failures
