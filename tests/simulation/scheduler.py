"""Actors that take turns: threads of which one runs at a time, and which change places only where a seed says so.

An actor gives up its turn at every call of the store. Whoever drives the scheduler picks who goes on, so that one seed
is one interleaving, and a run can be repeated exactly.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field


class Killed(BaseException):
    """The process of an actor died at a call of the store. No handler catches it, as none could."""


@dataclass(eq=False, slots=True)
class Actor:
    """One running process. `outcome` is what became of it: None while it runs, then the exception or "done"."""

    name: str
    work: Callable[[], None]
    outcome: BaseException | str | None = None
    condemned: bool = False
    unreliable: bool = False
    _go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @property
    def running(self) -> bool:
        return self.outcome is None

    @property
    def succeeded(self) -> bool:
        return self.outcome == "done"


class Scheduler:
    """Runs one actor at a time, from one call of the store to the next."""

    def __init__(self) -> None:
        self._back = threading.Semaphore(0)
        self.current: Actor | None = None

    def start(self, name: str, work: Callable[[], None], *, unreliable: bool = False) -> Actor:
        """An actor that waits for its first turn."""
        actor = Actor(name, work, unreliable=unreliable)
        threading.Thread(target=self._live, args=(actor,), daemon=True).start()
        return actor

    def turn(self, actor: Actor) -> None:
        """Let an actor go on to its next call of the store, or to its end."""
        assert actor.running
        self.current = actor
        actor._go.release()
        self._back.acquire()
        self.current = None

    def give_up_turn(self) -> None:
        """Called by the actor whose turn it is. Raises Killed where it was condemned meanwhile."""
        actor = self.current
        assert actor is not None
        self._back.release()
        actor._go.acquire()
        if actor.condemned:
            raise Killed

    def kill(self, actor: Actor) -> None:
        """Let the actor die where it waits."""
        actor.condemned = True
        if actor.running:
            self.turn(actor)

    def _live(self, actor: Actor) -> None:
        actor._go.acquire()
        try:
            if not actor.condemned:
                actor.work()
            actor.outcome = "done"
        except BaseException as error:  # noqa: BLE001  # what became of it is what is simulated
            actor.outcome = error
        self._back.release()
