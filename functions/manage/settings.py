"""What the stack's parameters say to manage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Parameters of the deployment.

    test_clock: whether the stack's time may be moved
    allow_private: whether webhooks may go to private addresses
    key_lifetime_days: of a key that is made without `expires_at`; 0: it never expires
    authorizer_cache_s: so long the gateway may honour a key that was revoked
    """

    test_clock: bool
    allow_private: bool
    key_lifetime_days: int
    authorizer_cache_s: int


def settings_of(environment: Mapping[str, str]) -> Settings:
    """The settings that the environment variables of the function state."""
    return Settings(
        test_clock=environment.get("TEST_CLOCK") == "enabled",
        allow_private=environment.get("ALLOW_PRIVATE_WEBHOOKS") == "true",
        key_lifetime_days=int(environment.get("KEY_LIFETIME_DAYS", "0")),
        authorizer_cache_s=int(environment.get("AUTHORIZER_CACHE_SECONDS", "60")),
    )
