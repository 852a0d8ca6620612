"""Decision ids: derived from the decision, so that a replay computes the same id from the cell's image.

    dec_<base64url of "customer LF feature LF minute LF", digest (6 bytes), MAC (8 bytes)>

    minute   in which the request was decided
    digest   of the request's id and body (`domain.admission.cells.RequestMark`)
    MAC      over all other parts, with a secret of the stack

Only grants are answered with an id. So a valid MAC proves, without a read, that the decision was granted to that
customer and for that feature. An event that names the id then does not count the same work again. Nothing in an id is
secret.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tallygate.domain.admission.cells import MARK_BYTES

if TYPE_CHECKING:
    from tallygate.domain.metering.judgement import Granted

PREFIX = "dec_"
LENGTH_MAX = 3_000
"""Upper bound of the length of an id: two names of 255 characters with four bytes each."""
MAC_BYTES = 8
"""Length of the MAC. It cannot be guessed: each guess takes a request, and 2^63 are needed on average."""
SECRET_BYTES = 32
_PURPOSE = b"tallygate decision\n"
"""Prefix of the signed text, so that no other use of the secret can produce a valid MAC."""

Secret = Callable[[], bytes | None]
"""Read the stack's secret when it is needed; None: no secret exists yet, so no id was ever answered."""


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
        """The bytes that the MAC covers."""
        return f"{self.customer}\n{self.feature}\n{self.minute}\n".encode() + self.digest


def no_secret() -> bytes | None:
    """The secret of a stack that has made no decision, so that no id names one."""
    return None


def format_decision_id(parts: DecisionId, secret: bytes) -> str:
    """The id as sent over the wire."""
    signed = parts.signed
    raw = signed + _mac(signed, secret)
    return PREFIX + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def granted_decision(named: object, secret: Secret) -> DecisionId | None:
    """The decision that a text names; None: the text is no id, or its MAC is not valid.

    It never raises, because ids come from outside. It reads the secret only if the text has the form of an id. The
    comparison takes constant time, so a caller cannot learn how much of a guess was right.
    """
    parsed = _parsed(named) if isinstance(named, str) else None
    held = secret() if parsed is not None else None
    if parsed is None or held is None:
        return None
    parts, mac = parsed
    return parts if hmac.compare_digest(mac, _mac(parts.signed, held)) else None


def _mac(signed: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + signed, "sha256")[:MAC_BYTES]


def _parsed(text: str) -> tuple[DecisionId, bytes] | None:
    """The parts of an id and its MAC; None: the text is no decision id, or not the canonical spelling of one."""
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
    """Return a check for events: the feature of a named decision, if it was granted to the event's customer.

    The check returns None for every other name.
    """

    def granted(customer: str, name: object) -> str | None:
        decision = granted_decision(name, secret)
        return decision.feature if decision is not None and decision.customer == customer else None

    return granted
