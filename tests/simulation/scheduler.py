"""Actors that take turns: threads of which one runs at a time, switched only where a seed decides.

An actor gives up its turn at every call of the store. The driver of the scheduler selects the next actor. So one seed
is one interleaving, and a run can be repeated exactly.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field


class Killed(BaseException):
    """The process of an actor died at a call of the store. No handler catches this."""


@dataclass(eq=False, slots=True)
class Actor:
    """One running process. `outcome` is None while it runs, then its exception or "done"."""

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
        """Run an actor to its next call of the store, or to its end."""
        assert actor.running
        self.current = actor
        actor._go.release()
        self._back.acquire()
        self.current = None

    def give_up_turn(self) -> None:
        """Give up the turn; only the running actor calls this. Raises Killed if the actor was killed since."""
        actor = self.current
        assert actor is not None
        self._back.release()
        actor._go.acquire()
        if actor.condemned:
            raise Killed

    def kill(self, actor: Actor) -> None:
        """Kill the actor at the call at which it waits."""
        actor.condemned = True
        if actor.running:
            self.turn(actor)

    def _live(self, actor: Actor) -> None:
        actor._go.acquire()
        try:
            if not actor.condemned:
                actor.work()
            actor.outcome = "done"
        except BaseException as error:  # noqa: BLE001  # the outcome is part of the simulation
            actor.outcome = error
        self._back.release()
