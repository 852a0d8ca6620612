"""Settings of the catalog: how to treat events that no meter or no customer counts.

unknown_events      events of a type that no meter has: `reject`, or `accept` (stored with a warning, not counted)
unknown_customers   events whose subject names no customer: `reject`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

REJECT, PARK, ACCEPT = "reject", "park", "accept"
UNKNOWN_EVENTS = (REJECT, ACCEPT)
UNKNOWN_CUSTOMERS = (REJECT,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The catalog's settings. An absent setting has its default."""

    unknown_events: str = REJECT
    unknown_customers: str = REJECT

    def __post_init__(self) -> None:
        assert self.unknown_events in UNKNOWN_EVENTS
        assert self.unknown_customers in UNKNOWN_CUSTOMERS

    @property
    def key(self) -> str:
        """The key of the settings among the catalog's entries. There is one settings entry."""
        return "settings"

    @property
    def accepts_unknown_events(self) -> bool:
        return self.unknown_events == ACCEPT


def settings_form(settings: Settings) -> dict[str, str]:
    """Return the declarative form, as in the catalog."""
    return {"unknown_events": settings.unknown_events, "unknown_customers": settings.unknown_customers}


def settings_of(form: Mapping[str, str]) -> Settings:
    return Settings(
        unknown_events=form.get("unknown_events", REJECT), unknown_customers=form.get("unknown_customers", REJECT)
    )
