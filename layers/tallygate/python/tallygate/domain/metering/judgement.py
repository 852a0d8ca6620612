"""Judgement: what an event counts, and the warnings it gets. Ingest and the fold apply the same rule.

    no meter has the event's type         rejected unknown_event_type, or accepted with the warning no_meter
    for each meter of the type:
      a named decision has counted it     not counted again; warning counted_by_decision
      the meter's filters exclude it      not counted; no warning
      the value is readable               counted; warning rounded_to_zero if a value above 0 rounds to 0
      the value is not readable           not counted; warning value_missing, value_invalid or value_negative

An event is rejected if no meter counts it and at least one meter could not read its value. So if an accepted event has
an empty `counted_by` and no warning, the filters of every meter of its type excluded it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tallygate.domain.metering.contributions import stated
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
"""Return the feature of a granted decision, given the customer and the event's `decision_id` value.

None: the value names no decision that was granted to this customer. Ingest and the fold pass the same function.
"""
SHOWN_LENGTH_MAX = 80
DETAIL_LENGTH_MAX = 1_000


class EventCode(StrEnum):
    """Why an event, or one meter of its type, does not count as its sender may expect."""

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
    """A warning to the sender of an event. `meter`: the meter concerned; None: the event as a whole."""

    meter: str | None
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRefusal:
    """The reason why an event is rejected."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventJudgement:
    """What an event counts.

    measured: what the event adds, one element for each meter that counts it
    warnings: warnings to the sender
    refusal: why the event is rejected; None: it is accepted
    """

    measured: tuple[Measured, ...] = ()
    warnings: tuple[EventWarning, ...] = ()
    refusal: EventRefusal | None = None

    def __post_init__(self) -> None:
        assert self.refusal is None or not self.measured, "a rejected event counts nothing"

    @property
    def counted_by(self) -> tuple[str, ...]:
        """The keys of the meters that count the event, sorted."""
        return tuple(found.meter for found in self.measured)


def nothing_granted(_customer: str, _name: object) -> str | None:
    """Recognise no decision: the `Granted` of a stack that has made no decisions."""
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
    """Judge an event of this type and data.

    granted: looks up the decision that the event names
    meter_of: returns the meter of a feature; default: as the catalog declares
    """
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
                warnings.append(
                    _warning(
                        meter, EventCode.COUNTED_BY_DECISION, "the decision that the event names has already counted it"
                    )
                )
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
    """Return the meter that the event's decision has already counted, and a warning if the name is unknown."""
    named = data.get("decision_id")
    if named is None:
        return None, None
    feature = granted(customer, named)
    if feature is None:
        detail = "$.decision_id names no decision that was granted to this customer; the event counts"
        return None, EventWarning(meter=None, code=EventCode.UNKNOWN_DECISION.value, detail=detail)
    return meter_of(feature), None


def _remarks(meter: Meter, required: tuple[str, ...], found: Measured, data: Mapping[str, Any]) -> list[EventWarning]:
    """Return the warnings about an event that the meter counts."""
    said = [
        _warning(
            meter,
            EventCode.DIMENSION_MISSING,
            f"the required dimension {name} is absent at {format_path(meter.dimensions[name])}",
        )
        for name in required
        if name in meter.dimensions and name not in found.dimensions
    ]
    if meter.value is not None and rounds_to_zero(value_at(data, meter.value), stated(found.contribution)):
        detail = f"{format_path(meter.value)} is so small that it was rounded to 0"
        said.append(_warning(meter, EventCode.ROUNDED_TO_ZERO, detail))
    return said


def _warning(meter: Meter, code: EventCode, detail: str) -> EventWarning:
    return EventWarning(meter=meter.key, code=code.value, detail=detail)


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN_LENGTH_MAX else f"{text[:SHOWN_LENGTH_MAX]}…"
