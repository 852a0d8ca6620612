"""announce_limits: let every cell of a customer refuse writers that do not know its newest limits yet.

The control plane calls it after it has written the limits and before it answers, so that a change acts at the very next
decision. The stream's reader calls it for every record of such a write, so that a crash between the two is mended.
Repeating it changes nothing.
"""

from __future__ import annotations

from tallygate.control_store import VersionStore
from tallygate.domain.effective import features_ever_entitled
from tallygate.domain.instants import Instant
from tallygate.domain.limits import Effective


def announce_limits(store: VersionStore, effective: Effective, now: Instant) -> None:
    """Raise the version in the root cell of every feature that the customer has or ever had: also of those that it has
    just lost. One write for each of them."""
    for feature in features_ever_entitled(effective):
        store.raise_version(effective.customer, feature, effective.version, now)
