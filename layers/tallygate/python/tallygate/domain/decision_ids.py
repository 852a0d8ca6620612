"""Decision ids: derived from what was decided, so that a replay reads its id off the cell's image.

    dec_<base64url of "customer LF feature LF minute LF digest">

The minute is the one in which the request was decided, the digest names its id and body
(`domain.cells.RequestMark`). Nothing is secret in an id and nothing is proved by one: whoever posts an event
that names a decision says so himself.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from tallygate.domain.cells import MARK_BYTES

PREFIX = "dec_"
LENGTH_MAX = 3_000
"""Above the longest id there can be: two names of 255 characters of four bytes each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionId:
    """The parts of a decision id."""

    customer: str
    feature: str
    minute: int
    digest: bytes

    def __post_init__(self) -> None:
        assert "\n" not in self.customer + self.feature, "ids have no control characters"
        assert len(self.digest) == MARK_BYTES


def format_decision_id(parts: DecisionId) -> str:
    """The id as it goes over the wire."""
    text = f"{parts.customer}\n{parts.feature}\n{parts.minute}\n{parts.digest.hex()}"
    return PREFIX + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def parse_decision_id(text: str) -> DecisionId | None:
    """The parts of an id; None where the text is no decision id. Never raises: ids come from outside."""
    if not text.startswith(PREFIX) or len(text) > LENGTH_MAX:
        return None
    coded = text.removeprefix(PREFIX)
    try:
        raw = base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True)
        customer, feature, minute, digest = raw.decode().split("\n")
        if len(digest) != 2 * MARK_BYTES:
            return None
        found = DecisionId(customer=customer, feature=feature, minute=int(minute), digest=bytes.fromhex(digest))
    except ValueError:
        return None
    return found if format_decision_id(found) == text else None
