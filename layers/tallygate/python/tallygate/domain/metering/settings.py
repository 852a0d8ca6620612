"""Settings of the catalog: what becomes of events that would count nothing.

unknown_events      of a type that no meter names: `reject`, or `accept` (kept, counted nowhere, with a warning)
unknown_customers   whose subject names no customer: `reject`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

REJECT, PARK, ACCEPT = "reject", "park", "accept"
UNKNOWN_EVENTS = (REJECT, ACCEPT)
UNKNOWN_CUSTOMERS = (REJECT,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the catalog sets; a catalog that says nothing has the defaults."""

    unknown_events: str = REJECT
    unknown_customers: str = REJECT

    def __post_init__(self) -> None:
        assert self.unknown_events in UNKNOWN_EVENTS
        assert self.unknown_customers in UNKNOWN_CUSTOMERS

    @property
    def key(self) -> str:
        """What the entry is called among the catalog's: there is one."""
        return "settings"

    @property
    def accepts_unknown_events(self) -> bool:
        return self.unknown_events == ACCEPT


def settings_form(settings: Settings) -> dict[str, str]:
    """As the catalog states them."""
    return {"unknown_events": settings.unknown_events, "unknown_customers": settings.unknown_customers}


def settings_of(form: Mapping[str, str]) -> Settings:
    return Settings(
        unknown_events=form.get("unknown_events", REJECT), unknown_customers=form.get("unknown_customers", REJECT)
    )
