"""Decision ids: derived from what was decided, so that a replay reads its id off the cell's image.

    dec_<base64url of "customer LF feature LF minute LF", digest (6 bytes), MAC (8 bytes)>

The minute is the one in which the request was decided, the digest names its id and body
(`domain.admission.cells.RequestMark`). The MAC is over all of that, under a secret of the stack. An id is answered for
grants
only. So a right MAC proves without a read that the decision was granted, to that customer and for that feature, and an
event that names it need not count the same work again. Nothing in an id is secret.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from tallygate.domain.admission.cells import MARK_BYTES
from tallygate.domain.metering.judgement import Granted

PREFIX = "dec_"
LENGTH_MAX = 3_000
"""Above the longest id there can be: two names of 255 characters of four bytes each."""
MAC_BYTES = 8
"""Too many to guess: each guess is a request, and 2^63 of them are needed on average."""
SECRET_BYTES = 32
_PURPOSE = b"tallygate decision\n"
"""Begins what the MAC is over, so that no other use of the secret could make one."""

Secret = Callable[[], bytes | None]
"""Reads the stack's secret when it is needed; None: none was made yet, so that no id was ever answered."""


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

    @property
    def signed(self) -> bytes:
        """What the MAC is over."""
        return f"{self.customer}\n{self.feature}\n{self.minute}\n".encode() + self.digest


def no_secret() -> bytes | None:
    """The secret of a stack in which nothing was ever decided: no name is one of its decisions."""
    return None


def format_decision_id(parts: DecisionId, secret: bytes) -> str:
    """The id as it goes over the wire."""
    raw = parts.signed + _mac(parts, secret)
    return PREFIX + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def granted_decision(named: object, secret: Secret) -> DecisionId | None:
    """The decision that a text names, if its MAC proves that it was granted. Never raises: ids come from outside.

    The secret is asked for only where the text has the form of an id. The comparison takes the same time whatever is
    wrong, so that no answer tells how much of a guess was right.
    """
    parsed = _parsed(named) if isinstance(named, str) else None
    held = secret() if parsed is not None else None
    if parsed is None or held is None:
        return None
    parts, mac = parsed
    return parts if hmac.compare_digest(mac, _mac(parts, held)) else None


def _mac(parts: DecisionId, secret: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + parts.signed, "sha256")[:MAC_BYTES]


def _parsed(text: str) -> tuple[DecisionId, bytes] | None:
    """The parts of an id and its MAC; None where the text is no decision id, or another spelling of one."""
    if not text.startswith(PREFIX) or len(text) > LENGTH_MAX:
        return None
    coded = text.removeprefix(PREFIX)
    try:
        raw = base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True)
        names, rest = raw[: -MARK_BYTES - MAC_BYTES], raw[-MARK_BYTES - MAC_BYTES :]
        customer, feature, minute, nothing = names.decode().split("\n")
        found = DecisionId(customer=customer, feature=feature, minute=int(minute), digest=rest[:MARK_BYTES])
    except (ValueError, AssertionError):
        return None
    mac = rest[MARK_BYTES:]
    again = PREFIX + base64.urlsafe_b64encode(found.signed + mac).decode().rstrip("=")
    return (found, mac) if nothing == "" and again == text else None


def granted_by(secret: Secret) -> Granted:
    """Believes a name that was signed under the stack's secret, for the customer that the event is of."""

    def granted(customer: str, name: object) -> str | None:
        decision = granted_decision(name, secret)
        return decision.feature if decision is not None and decision.customer == customer else None

    return granted
