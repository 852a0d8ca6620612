"""Signatures of webhooks: Standard Webhooks 1.0.0, or Stripe's scheme for endpoints that ask for it.

    standard   webhook-id, webhook-timestamp, webhook-signature: v1,<base64 HMAC-SHA256 of "{id}.{timestamp}.{body}">
    stripe     Stripe-Signature: t=<timestamp>,v1=<hex HMAC-SHA256 of "{timestamp}.{body}">

Several secrets give several signatures, so a secret can be replaced while receivers still hold the old one. The signed
bytes are the sent bytes. Pure: ids, times and random bytes are arguments. The tests verify with public libraries.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from tallygate.domain.delivery.deliveries import STANDARD, STRIPE

SECRET_PREFIX = "whsec_"  # noqa: S105  # the published prefix of such secrets, not one
SECRET_BYTES_MIN = 24
SECRET_BYTES_MAX = 64


def secret_of(random_bytes: bytes) -> str:
    """The secret made of 24 to 64 random bytes: `whsec_` and their base64. Both schemes use this form."""
    assert SECRET_BYTES_MIN <= len(random_bytes) <= SECRET_BYTES_MAX
    return SECRET_PREFIX + base64.b64encode(random_bytes).decode()


def signed_headers(
    scheme: str, secrets: Sequence[str], *, message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """The headers that sign one attempt. `timestamp` is in seconds; `message_id` is the same for every attempt."""
    assert secrets, "an unsigned webhook is never sent"
    assert "." not in message_id, "dots separate the parts of the signed text"
    if scheme == STRIPE:
        return {"stripe-signature": _stripe(secrets, timestamp, body)}
    assert scheme == STANDARD, scheme
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": _standard(secrets, message_id, timestamp, body),
    }


def _standard(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """One signature per secret, separated by spaces. The key is the decoded secret."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digests = [_digest(base64.b64decode(secret.removeprefix(SECRET_PREFIX)), signed) for secret in secrets]
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def _stripe(secrets: Sequence[str], timestamp: int, body: bytes) -> str:
    """One `v1` per secret. The key is the secret's text, prefix included."""
    signed = f"{timestamp}.".encode() + body
    signatures = [f"v1={_digest(secret.encode(), signed).hex()}" for secret in secrets]
    return ",".join((f"t={timestamp}", *signatures))


def _digest(key: bytes, signed: bytes) -> bytes:
    return hmac.new(key, signed, hashlib.sha256).digest()
