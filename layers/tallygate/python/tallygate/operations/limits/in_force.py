"""announce_limits: let every cell of a customer refuse writers that do not know its newest limits yet.

The control plane calls it after it has written the limits and before it answers, so that a change acts at the very next
decision. The stream's reader calls it for every record of such a write, so that a crash between the two is mended.
Repeating it changes nothing.
"""

from __future__ import annotations

from typing import Protocol

from tallygate.domain.admission.cells import Cell
from tallygate.domain.base.instants import Instant
from tallygate.domain.limits.compiled import features_ever_entitled
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Effective
from tallygate.operations.limits.ports import VersionStore


class FollowingStore(Protocol):
    """Cells, as far as they learn of the limits."""

    def follow(self, effective: Effective, feature: str, now: Instant) -> Cell:
        """Let usage follow that the limits say follows, in the write that raises the version."""

    def raise_version(self, cell: CellName, version: int, now: Instant) -> None:
        """Let the cell refuse writers with older limits. Repeating changes nothing."""


def announce_limits(store: VersionStore, effective: Effective, now: Instant) -> None:
    """Raise the version in the root cell of every feature that the customer has or ever had: also of those that it has
    just lost. One write for each of them."""
    for feature in features_ever_entitled(effective):
        announce_to(store, effective, feature, now)


def announce_to(store: FollowingStore, effective: Effective, feature: str, now: Instant) -> None:
    """Raise the version in the root cell of one feature, and let usage follow there that is to follow."""
    in_force = effective.in_force(now)
    entitlement = in_force.entitlements.get(feature)
    following = entitlement is not None and entitlement.followings > 0
    if following and store.follow(in_force, feature, now).version >= effective.version:
        return
    store.raise_version(CellName(effective.customer, feature), effective.version, now)
