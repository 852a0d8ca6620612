"""What an event counts, and what is said of it where it counts nothing: the same rule for ingest and for the fold.

    meters of the type ──┬─ none: rejected unknown_event_type, or accepted with the warning no_meter
                         ├─ its work was counted by a decision: not counted again, counted_by_decision
                         ├─ its filters exclude the event: nothing is said
                         ├─ its value can be read: counted by it, rounded_to_zero where that is nothing
                         └─ its value cannot: value_missing, value_invalid, value_negative

An event is rejected where no meter counts it and at least one could not read its value. So one that is accepted with an
empty `counted_by` and without a warning was excluded by filters, by every meter of its type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tallygate.domain.metering.contributions import added
from tallygate.domain.metering.dimensions import MISSING
from tallygate.domain.metering.meters import (
    Measured,
    Meter,
    Meters,
    Unmeasured,
    format_path,
    measure,
    rounds_to_zero,
    value_at,
)

Granted = Callable[[str, object], str | None]
"""The feature of the decision that was granted to a customer (the first) and that a value of an event's data (the
second) names; None: it names none. Ingest and the fold are given the same one."""
SHOWN_LENGTH_MAX = 80
DETAIL_LENGTH_MAX = 1_000


class EventCode(StrEnum):
    """Why an event, or one meter of its type, counts nothing or otherwise than its sender may expect."""

    UNKNOWN_EVENT_TYPE = "unknown_event_type"
    VALUE_MISSING = "value_missing"
    VALUE_INVALID = "value_invalid"
    VALUE_NEGATIVE = "value_negative"
    NO_METER = "no_meter"
    COUNTED_BY_DECISION = "counted_by_decision"
    UNKNOWN_DECISION = "unknown_decision"
    DIMENSION_MISSING = MISSING
    ROUNDED_TO_ZERO = "rounded_to_zero"


UNREADABLE = frozenset({EventCode.VALUE_MISSING, EventCode.VALUE_INVALID, EventCode.VALUE_NEGATIVE})


@dataclass(frozen=True, slots=True, kw_only=True)
class EventWarning:
    """Something that the sender of an event should know; `meter` None concerns the event as a whole."""

    meter: str | None
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRefusal:
    """Why an event counts nowhere."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventJudgement:
    """What an event adds to which meters, what is to be said of it, and (`refusal`) why it is to be rejected."""

    measured: tuple[Measured, ...] = ()
    warnings: tuple[EventWarning, ...] = ()
    refusal: EventRefusal | None = None

    def __post_init__(self) -> None:
        assert self.refusal is None or not self.measured, "what is rejected counts nothing"

    @property
    def counted_by(self) -> tuple[str, ...]:
        """The meters that count it, in order of their keys."""
        return tuple(found.meter for found in self.measured)


def nothing_granted(_customer: str, _name: object) -> str | None:
    """Believes no name of a decision: of a stack in which nothing was ever decided."""
    return None


def judge(
    event_type: str,
    data: Mapping[str, Any],
    *,
    customer: str,
    meters: Meters,
    granted: Granted,
    meter_of: Callable[[str], str | None] | None = None,
) -> EventJudgement:
    """What an event of this type and data counts. `meter_of` says by which meter a feature is counted (default: as the
    catalog does)."""
    known = meters.of_type.get(event_type, ())
    if not known:
        return _of_no_meter(event_type, meters)
    counted_before, said = _decision(data, customer, granted, meter_of or meters.of_feature.get)
    measured: list[Measured] = []
    warnings = [] if said is None else [said]
    unread: list[EventWarning] = []
    counted_by_decision = False
    for meter in known:
        match measure(meter, data):
            case Measured() | Unmeasured() if meter.key == counted_before:
                counted_by_decision = True
                warnings.append(_warning(meter, EventCode.COUNTED_BY_DECISION, "the decision it names has counted it"))
            case Measured() as found:
                measured.append(found)
                warnings += _remarks(meter, meters.required.get(meter.key, ()), found, data)
            case Unmeasured() as found:
                unread.append(EventWarning(meter=meter.key, code=found.reason, detail=found.detail))
    if unread and not measured and not counted_by_decision:
        detail = "; ".join(f"meter {warning.meter}: {warning.detail}" for warning in unread)
        refusal = EventRefusal(code=unread[0].code, detail=detail[:DETAIL_LENGTH_MAX])
        return EventJudgement(warnings=(*warnings, *unread), refusal=refusal)
    return EventJudgement(measured=tuple(measured), warnings=(*warnings, *unread))


def _of_no_meter(event_type: str, meters: Meters) -> EventJudgement:
    detail = f"no meter of the catalog has the event type {_shown(event_type)}"
    if meters.settings.accepts_unknown_events:
        warning = EventWarning(meter=None, code=EventCode.NO_METER.value, detail=detail)
        return EventJudgement(warnings=(warning,))
    return EventJudgement(refusal=EventRefusal(code=EventCode.UNKNOWN_EVENT_TYPE.value, detail=detail))


def _decision(
    data: Mapping[str, Any], customer: str, granted: Granted, meter_of: Callable[[str], str | None]
) -> tuple[str | None, EventWarning | None]:
    """The meter that the decision named in an event has moved already, or what is said of a name that is none."""
    named = data.get("decision_id")
    if named is None:
        return None, None
    feature = granted(customer, named)
    if feature is None:
        detail = "$.decision_id names no decision that was granted to this customer; the event counts"
        return None, EventWarning(meter=None, code=EventCode.UNKNOWN_DECISION.value, detail=detail)
    return meter_of(feature), None


def _remarks(meter: Meter, required: tuple[str, ...], found: Measured, data: Mapping[str, Any]) -> list[EventWarning]:
    """What is said of an event that the meter counts."""
    said = [
        _warning(
            meter,
            EventCode.DIMENSION_MISSING,
            f"the required dimension {name} is absent at {format_path(meter.dimensions[name])}",
        )
        for name in required
        if name in meter.dimensions and name not in found.dimensions
    ]
    if meter.value is not None and rounds_to_zero(value_at(data, meter.value), added(found.contribution)):
        detail = f"{format_path(meter.value)} is so small that it was rounded to 0"
        said.append(_warning(meter, EventCode.ROUNDED_TO_ZERO, detail))
    return said


def _warning(meter: Meter, code: EventCode, detail: str) -> EventWarning:
    return EventWarning(meter=meter.key, code=code.value, detail=detail)


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN_LENGTH_MAX else f"{text[:SHOWN_LENGTH_MAX]}…"
