"""announce_limits: raises the limits' version in a customer's cells. The cells then refuse writers with older limits.

The control plane calls it after it has written the limits and before it answers. So a change acts at the very next
decision. The stream's reader calls it for every record of such a write, which completes a call that crashed in between.
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
    """Cells that receive the version of the limits."""

    def follow(self, effective: Effective, feature: str, now: Instant) -> Cell:
        """Let usage follow as the limits say, in the write that raises the version."""

    def raise_version(self, cell: CellName, version: int, now: Instant) -> None:
        """Let the cell refuse writers with older limits. Repeating it changes nothing."""


def announce_limits(store: VersionStore, effective: Effective, now: Instant) -> None:
    """Raise the version in the root cell of every feature that the customer has or ever had. One write for each.

    Features that the customer has just lost are included.
    """
    for feature in features_ever_entitled(effective):
        announce_to(store, effective, feature, now)


def announce_to(store: FollowingStore, effective: Effective, feature: str, now: Instant) -> None:
    """Raise the version in one feature's root cell, and let usage follow there if the limits say so."""
    in_force = effective.in_force(now)
    entitlement = in_force.entitlements.get(feature)
    following = entitlement is not None and entitlement.followings > 0
    if following and store.follow(in_force, feature, now).version >= effective.version:
        return
    store.raise_version(CellName(effective.customer, feature), effective.version, now)
