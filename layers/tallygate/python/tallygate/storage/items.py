"""Items and what they mean: the image of a cell, the document of the limits in force, the journal entry of a decision.

    cell        u.<ordinal>.<start ms>   used in that quota window         n     revision, +1 with every write
                r.<ordinal>.<index>      admitted in that sub-window       last  journal entry of the newest write
                ids.<minute>             request marks of that minute      cv    version of the limits last seen
                fl                       newest end of a removed window
                f.<ordinal>              where its newest window begins, of a quota from its first use; of what carries
                                         over, where the one begins that was opened last
                fe.<ordinal>             where those begin that were opened for events last
                sus, sus.<ordinal>       until when (ms) usage is suspended: of all, of the scope of that quota's limit
                sb, sb.<ordinal>         by which tier it is (`domain.tier_causes`)
                lv.<ordinal>.<start ms>  levels whose tiers suspend no more in it, since somebody has resumed
                k.<ordinal>.<start ms>   carried into the window           a.…   adjusted in it, by as much u is less
                y.<ordinal>.<start ms>   what was carried in, in layers with their ages; absent: one layer of age 1
                z.<ordinal>.<start ms>   which decisions resets by hand exclude (`domain.reset_marks`)
                st                       revision before the newest settlement or reset
                g.<ordinal>.<start ms>   when its grace began              d.…   when its first denial was marked
                e.<ordinal>.<start ms>   the part of u that came by events
                ev.<ordinal>.<start ms>  the total's journal number that e came from
                w.<ordinal>.<start ms>   the part of u that followed from other windows (`domain.following`)
                ws.<ordinal>.<start ms>  since when, from which quotas, and from which counter as it was in that write
                wn.<ordinal>.<start ms>  revision before the write that let it follow
                wb.<ordinal>.<start ms>  the part of that counter that came by events, as far as it has followed
                fw                       how many followings of the customer the cell knows
    effective   version, doc (JSON), since (ms: when it came into force)

Documents are compact JSON in one attribute with quantities as plain decimal strings: exact, and read in one step.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tallygate.domain.boundaries import WEEKDAYS
from tallygate.domain.carryover_forms import carryover_form, carryover_of
from tallygate.domain.cells import WHOLE_FEATURE, Cell, CounterName
from tallygate.domain.entries import Entry
from tallygate.domain.features import Fixed, Setting, Switch, value_from, value_text
from tallygate.domain.follows import FollowedWindow, Follows, Reign, Source
from tallygate.domain.instants import Instant
from tallygate.domain.limits import Earned, Effective, Enforcement, Entitlement, Limit, Next, Quota
from tallygate.domain.origins import Origin, origin_of
from tallygate.domain.periods import CALENDAR, Schedule, Segment
from tallygate.domain.quantities import ZERO, format_quantity, plain
from tallygate.domain.rates import Rate
from tallygate.domain.reset_marks import mark_of
from tallygate.domain.rolls import Rule, Stretch, layers_of
from tallygate.domain.suspensions import suspension_form, suspension_from
from tallygate.domain.tier_causes import cause_of
from tallygate.domain.tier_forms import tier_form, tier_of
from tallygate.errors import InvalidRequest, InvariantBroken
from tallygate.storage.expressions import Item

DOCUMENT_BYTES_MAX = 380_000
"""An item holds 400 KB, its other attributes included."""
USED, RATED, MARKS = "u.", "r.", "ids."
BROUGHT, BROUGHT_FROM = "e.", "ev."
NEWEST, OPENED_FOR_EVENTS = "f", "fe"
CARRIED, ADJUSTED, GRACE, DENIED, LAYERS, RESET, WAIVED = BESIDE = ("k", "a", "g", "d", "y", "z", "lv")
FOLLOWED, FOLLOWED_FROM, FOLLOWED_AT, FOLLOWED_BROUGHT = OF_FOLLOWED = ("w", "ws", "wn", "wb")
FOLLOWINGS = "fw"
SINCE = "since"
CAUSE = "sb"


def stored_number(value: object) -> float:
    """A decimal in a stored document: a number of at most 15 digits, which a double keeps exactly. For `json`."""
    if not isinstance(value, Decimal) or isinstance(format_quantity(value), str):
        raise TypeError(f"{type(value).__name__} is not stored as a number")
    return float(value)


_ENTRIES = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=stored_number)
REVISION, VERSION, FLOOR, SUSPENDED, LAST, CORRECTED = "n", "cv", "fl", "sus", "last", "st"


def used_name(counter: CounterName) -> str:
    return f"{USED}{counter[0]}.{counter[1]}"


def rated_name(counter: CounterName) -> str:
    return f"{RATED}{counter[0]}.{counter[1]}"


def brought_name(counter: CounterName) -> str:
    """The part of a quota counter that came by events (`storage.cell_events`)."""
    return f"{BROUGHT}{counter[0]}.{counter[1]}"


def brought_from_name(counter: CounterName) -> str:
    """The journal number of the total that it came from."""
    return f"{BROUGHT_FROM}{counter[0]}.{counter[1]}"


def window_name(kind: str, counter: CounterName) -> str:
    """What a cell keeps of a quota's window beside the counter: CARRIED, ADJUSTED, GRACE, DENIED, RESET, WAIVED."""
    return f"{kind}.{counter[0]}.{counter[1]}"


def newest_name(ordinal: int) -> str:
    return f"{NEWEST}.{ordinal}"


def opened_for_events_name(ordinal: int) -> str:
    return f"{OPENED_FOR_EVENTS}.{ordinal}"


def opened_for_events_text(begins: Sequence[Instant]) -> str:
    """Where windows begin, as a cell keeps it, in the order in which they were opened."""
    return ",".join(str(start) for start in begins)


def suspended_name(ordinal: int) -> str:
    return SUSPENDED if ordinal == WHOLE_FEATURE else f"{SUSPENDED}.{ordinal}"


def cause_name(ordinal: int) -> str:
    """What a cell keeps of the tier that suspended usage, beside the suspension of this name."""
    return CAUSE if ordinal == WHOLE_FEATURE else f"{CAUSE}.{ordinal}"


def waived_text(levels: Collection[str]) -> str:
    """Waived levels as a cell keeps them, in one order."""
    return ",".join(sorted(levels))


def marks_name(minute: int) -> str:
    return f"{MARKS}{minute}"


def cell_of(item: Item | None) -> Cell:
    """The cell that an item shows; None is a cell that nobody has written yet."""
    if item is None:
        return Cell()
    counted: dict[str, dict[CounterName, Decimal]] = {}
    marks: dict[int, frozenset[bytes]] = {}
    suspended: dict[int, Instant] = {}
    newest: dict[int, Instant] = {}
    texts: dict[str, dict[str, str]] = {}
    for name, value in item.items():
        kind, dot, rest = name.partition(".")
        if isinstance(value, Decimal):
            if kind == SUSPENDED:
                suspended[int(rest) if dot else WHOLE_FEATURE] = int(value)
            elif kind == NEWEST:
                newest[int(rest)] = int(value)
            elif dot:
                counted.setdefault(kind, {})[_counter(rest)] = value
        elif isinstance(value, frozenset) and kind == "ids":
            marks[int(rest)] = value
        elif isinstance(value, str):
            texts.setdefault(kind, {})[rest] = value
    floor = item.get(FLOOR)
    return Cell(
        used=counted.get("u", {}),
        rated=counted.get("r", {}),
        carried=counted.get(CARRIED, {}),
        adjusted=counted.get(ADJUSTED, {}),
        layers={_counter(rest): layers_of(text) for rest, text in texts.get(LAYERS, {}).items()},
        resets={_counter(rest): mark_of(text) for rest, text in texts.get(RESET, {}).items()},
        newest=newest,
        opened_for_events={
            int(rest): tuple(int(start) for start in text.split(","))
            for rest, text in texts.get(OPENED_FOR_EVENTS, {}).items()
        },
        brought=counted.get("e", {}),
        followed=counted.get(FOLLOWED, {}),
        origins=_origins(texts.get(FOLLOWED_FROM, {}), counted),
        followings=integer(item, FOLLOWINGS, 0),
        grace={counter: int(began) for counter, began in counted.get(GRACE, {}).items()},
        denied=frozenset(counted.get(DENIED, ())),
        marks=marks,
        suspended=suspended,
        causes={int(rest) if rest else WHOLE_FEATURE: cause_of(text) for rest, text in texts.get(CAUSE, {}).items()},
        waived={_counter(rest): frozenset(text.split(",")) for rest, text in texts.get(WAIVED, {}).items()},
        version=integer(item, VERSION, 0),
        floor=None if floor is None else integer(item, FLOOR),
        revision=integer(item, REVISION, 0),
    )


def _counter(rest: str) -> CounterName:
    """The counter that the end of an attribute's name tells."""
    ordinal, _, start = rest.partition(".")
    return int(ordinal), int(start)


def _origins(
    texts: Mapping[str, str], counted: Mapping[str, Mapping[CounterName, Decimal]]
) -> dict[CounterName, Origin]:
    revisions, brought = counted.get(FOLLOWED_AT, {}), counted.get(FOLLOWED_BROUGHT, {})
    found = {_counter(rest): text for rest, text in texts.items()}
    return {
        counter: origin_of(text, revision=int(revisions.get(counter, 0)), brought=brought.get(counter, ZERO))
        for counter, text in found.items()
    }


def integer(item: Mapping[str, object], name: str, default: int | None = None) -> int:
    """A whole-number attribute. Raises InvariantBroken where it is missing without a default, or anything else."""
    value = item.get(name, default)
    if not isinstance(value, int | Decimal) or value != int(value):
        raise InvariantBroken(f"attribute {name} must be a whole number")
    return int(value)


def text(item: Mapping[str, object], name: str) -> str:
    """A string attribute that must be there."""
    value = item.get(name)
    if not isinstance(value, str):
        raise InvariantBroken(f"attribute {name} must be a string")
    return value


def compact(value: Any) -> str:
    """Compact JSON with sorted keys, the stored form of documents; `read_document` reads it."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False, default=stored_number)


def read_document(text: str | bytes) -> Any:
    """The value of a stored document, its decimals exact."""
    return json.loads(text, parse_float=Decimal)


def bounded(document: str, what: str) -> str:
    """A document that an item can hold. Raises InvalidRequest `too_large` otherwise."""
    if len(document.encode()) > DOCUMENT_BYTES_MAX:
        raise InvalidRequest(f"{what} is too large to be stored as one", code="too_large")
    return document


def entry_text(entry: Entry) -> str:
    """A journal entry as a cell keeps it; the order of its fields is kept, so that equal entries are equal texts."""
    return _ENTRIES.encode(entry)


def effective_document(effective: Effective) -> str:
    """The stored form of the limits in force; `effective_of` reads it back to an equal value."""
    document = _limits_document(effective)
    if effective.next is not None:
        document["next"] = [effective.next.at, _limits_document(effective.next.effective)]
    return compact(document)


def _limits_document(effective: Effective) -> dict[str, Any]:
    return {
        "customer": effective.customer,
        "timezone": effective.timezone,
        "plan": effective.plan,
        "plan_version": effective.plan_version,
        "subscribed": effective.subscribed,
        "stripe_customer_id": effective.stripe_customer_id,
        "ordinals": dict(effective.ordinals),
        "frozen": [[ordinal, _stretches_document(s)] for ordinal, s in sorted(effective.frozen.items())],
        **(
            {"frozen_rules": [[o, _rules_document(rules)] for o, rules in sorted(effective.frozen_rules.items())]}
            if effective.frozen_rules
            else {}
        ),
        "retired": [[ordinal, _schedule_document(s)] for ordinal, s in sorted(effective.retired.items())],
        "entitlements": [_entitlement_document(e) for e in effective.entitlements.values()],
        "fixed": [_fixed_document(fixed) for fixed in effective.fixed.values()],
        "suspensions": [suspension_form(suspension) for suspension in effective.suspensions],
        **(
            {"earned": [[o, e.until, plain(e.base)] for o, e in sorted(effective.earned.items())]}
            if effective.earned
            else {}
        ),
        **(
            {"reigns": {line: [list(reign) for reign in reigns] for line, reigns in effective.reigns.items()}}
            if effective.reigns
            else {}
        ),
        **({"followings": effective.followings} if effective.followings else {}),
    }


def effective_of(item: Item) -> Effective:
    """The limits in force that an EFFECTIVE item states."""
    doc, version = read_document(text(item, "doc")), integer(item, "version")
    found = replace(_limits_of(doc, version), since=integer(item, SINCE, 0))
    if "next" not in doc:
        return found
    at, to_come = doc["next"]
    return replace(found, next=Next(at=at, effective=_limits_of(to_come, version)))


def _limits_of(doc: dict[str, Any], version: int) -> Effective:
    return Effective(
        customer=doc["customer"],
        version=version,
        timezone=doc["timezone"],
        plan=doc["plan"],
        plan_version=doc["plan_version"],
        subscribed=doc["subscribed"],
        stripe_customer_id=doc["stripe_customer_id"],
        ordinals=doc["ordinals"],
        retired={ordinal: _schedule_of(segments) for ordinal, segments in doc["retired"]},
        frozen={ordinal: _stretches_of(stretches) for ordinal, stretches in doc.get("frozen", ())},
        frozen_rules={ordinal: _rules_of(rules) for ordinal, rules in doc.get("frozen_rules", ())},
        entitlements={e["feature"]: _entitlement_of(e) for e in doc["entitlements"]},
        fixed={feature: _fixed_of(feature, kind, said) for feature, kind, said in doc.get("fixed", ())},
        suspensions=tuple(suspension_from(form) for form in doc.get("suspensions", ())),
        earned={ordinal: Earned(until=until, base=Decimal(base)) for ordinal, until, base in doc.get("earned", ())},
        reigns={line: tuple(Reign(*reign) for reign in reigns) for line, reigns in doc.get("reigns", {}).items()},
        followings=doc.get("followings", 0),
    )


def _fixed_document(fixed: Fixed) -> list[Any]:
    if isinstance(fixed, Switch):
        return [fixed.feature, "enabled", fixed.enabled]
    return [fixed.feature, "value", value_text(fixed.value)]


def _fixed_of(feature: str, kind: str, said: Any) -> Fixed:
    if kind == "enabled":
        return Switch(feature=feature, enabled=said)
    return Setting(feature=feature, value=value_from(said))


def _entitlement_document(entitlement: Entitlement) -> dict[str, Any]:
    return {
        "feature": entitlement.feature,
        "meter": entitlement.meter,
        "upgrade_to": entitlement.upgrade_to,
        "limits": [_limit_document(limit) for limit in entitlement.limits],
    }


def _limit_document(limit: Limit) -> dict[str, Any]:
    return {
        "name": limit.name,
        "scope": dict(limit.scope),
        "enforcement": limit.enforcement.value,
        "tiers": [tier_form(tier) for tier in limit.tiers],
        "carryover": None if limit.carryover is None else carryover_form(limit.carryover),
        "quotas": [
            {
                "ordinal": quota.ordinal,
                "limit": _plain_or_none(quota.limit),
                "schedule": _schedule_document(quota.schedule),
                **({"stretches": _stretches_document(quota.stretches)} if quota.stretches else {}),
                **({"rules": _rules_document(quota.rules)} if quota.rules else {}),
                **({"bases": _stretches_document(quota.bases)} if quota.bases else {}),
                **({"follows": _follows_document(quota.follows)} if quota.follows is not None else {}),
            }
            for quota in limit.quotas
        ],
        "rates": [
            {"ordinal": r.ordinal, "limit": plain(r.limit), "per": r.per, "burst": plain(r.burst)} for r in limit.rates
        ],
    }


def _entitlement_of(doc: dict[str, Any]) -> Entitlement:
    return Entitlement(
        feature=doc["feature"],
        meter=doc["meter"],
        upgrade_to=doc["upgrade_to"],
        limits=tuple(_limit_of(limit) for limit in doc["limits"]),
    )


def _limit_of(doc: dict[str, Any]) -> Limit:
    carryover = doc.get("carryover")
    return Limit(
        name=doc["name"],
        scope=doc.get("scope", {}),
        enforcement=Enforcement(doc.get("enforcement", "hard")),
        tiers=tuple(tier_of(tier) for tier in doc["tiers"]),
        carryover=None if carryover is None else carryover_of(carryover),
        quotas=tuple(
            Quota(
                ordinal=quota["ordinal"],
                limit=_decimal_or_none(quota["limit"]),
                schedule=_schedule_of(quota["schedule"]),
                stretches=_stretches_of(quota.get("stretches", ())),
                bases=_stretches_of(quota.get("bases", ())),
                rules=_rules_of(quota.get("rules", ())),
                follows=_follows_of(quota["follows"]) if "follows" in quota else None,
            )
            for quota in doc["quotas"]
        ),
        rates=tuple(
            Rate(ordinal=r["ordinal"], limit=Decimal(r["limit"]), per=r["per"], burst=Decimal(r["burst"]))
            for r in doc["rates"]
        ),
    )


def _schedule_document(schedule: Schedule) -> list[Any]:
    """A calendar segment is its first three parts; the others follow where there is more to say."""
    return [_segment_document(segment) for segment in schedule.segments]


def _segment_document(segment: Segment) -> list[Any]:
    document: list[Any] = [segment.every, segment.zone, segment.since]
    if segment.anchor == CALENDAR and segment.week_starts == WEEKDAYS[0] and segment.covered is None:
        return document
    further = () if segment.covered is None else (segment.covered,)
    return [*document, segment.anchor, segment.origin, segment.week_starts, *further]


def _schedule_of(document: list[Any]) -> Schedule:
    return Schedule(tuple(Segment(*segment) for segment in document))


def _follows_document(follows: Follows) -> list[Any]:
    windows = [
        [
            [window.start, window.end, window.since, plain(window.past), _flags(window)],
            [[source.ordinal, source.start, plain(source.seen)] for source in window.sources],
        ]
        for window in follows.windows
    ]
    return [follows.number, follows.live, follows.at, list(follows.ordinals), windows]


def _flags(window: FollowedWindow) -> str:
    return f"{'a' if window.absolute else ''}{'x' if window.excludes else ''}"


def _follows_of(document: list[Any]) -> Follows:
    number, live, at, ordinals, windows = document
    return Follows(
        number=number,
        live=live,
        at=at,
        ordinals=tuple(ordinals),
        windows=tuple(
            FollowedWindow(
                start=start,
                end=end,
                since=since,
                past=Decimal(past),
                absolute="a" in flags,
                excludes="x" in flags,
                sources=tuple(Source(ordinal, begins, Decimal(seen)) for ordinal, begins, seen in sources),
            )
            for (start, end, since, past, flags), sources in windows
        ),
    )


def _stretches_document(stretches: Sequence[Stretch]) -> list[Any]:
    return [[since, _plain_or_none(base)] for since, base in stretches]


def _stretches_of(document: Sequence[Any]) -> tuple[Stretch, ...]:
    return tuple(Stretch(since, _decimal_or_none(base)) for since, base in document)


def _rules_document(rules: Sequence[Rule]) -> list[Any]:
    return [[since, carryover_form(carryover)] for since, carryover in rules]


def _rules_of(document: Sequence[Any]) -> tuple[Rule, ...]:
    return tuple(Rule(since, carryover_of(form)) for since, form in document)


def _plain_or_none(quantity: Decimal | None) -> str | None:
    return None if quantity is None else plain(quantity)


def _decimal_or_none(stored: str | None) -> Decimal | None:
    return None if stored is None else Decimal(stored)
