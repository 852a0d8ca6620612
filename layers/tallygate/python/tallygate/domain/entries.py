"""Journal entries: what a write to a cell says of itself, so that the stream record of the write proves itself.

    k   kind: use (a granted consume), settle (its correction), bump (newer limits), event (usage by event brought in)
    i   id: minute and digest of the request       a   amount, a plain decimal string       t   instant
    c, f, m   customer, feature, its meter         d   dimensions                           tp  traceparent
    w   the quota windows it counted in, as [ordinal, start, end]
    denied (the first by a limit in a window) and suspend (by a tier): o, s, e, n, sc   the quota's ordinal, its window,
    the limit's name and scope; kd quota or rate; u, l, lv   used, the limit, the level; r reason; un until when
    cy  of a use that opened windows: what was carried into them, by their ordinals
    of a settle: i, c, f, m, d are the decision's, a is the difference, `to` what it counts now, `of` when it was made,
    w the windows corrected in the cell, g those that the cell has removed (then r is the decision's revision), x those
    whose reset excludes the decision

Short names: an entry lives in the cell, and the cell should stay below the 1 KB that one write unit pays for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tallygate.domain.cells import RequestMark
from tallygate.domain.decision import Node, Reason
from tallygate.domain.facts import Total
from tallygate.domain.following import Following
from tallygate.domain.instants import Instant
from tallygate.domain.journal import CountedWindow, UseEntry
from tallygate.domain.limits import Entitlement
from tallygate.domain.periods import Window
from tallygate.domain.quantities import ZERO, plain
from tallygate.domain.rolls import Layer, layers_text, total
from tallygate.domain.rungs import UNTIL_TOP_UP
from tallygate.domain.scopes import Scope
from tallygate.domain.terms import Terms

Entry = dict[str, Any]


def use_entry(
    terms: Terms,
    *,
    customer: str,
    entitlement: Entitlement,
    dimensions: Mapping[str, str],
    now: Instant,
    traceparent: str | None,
) -> Entry:
    """The entry of a granted consume: it is the durable usage event, so it says all that the fold needs."""
    entry: Entry = {
        "k": "use",
        "i": entry_id(terms.mark),
        "a": plain(terms.amount),
        "t": now,
        "c": customer,
        "f": entitlement.feature,
        "m": entitlement.meter,
        "w": [[term.quota.ordinal, term.window.start, term.window.end] for term in terms.quotas],
    }
    opened = {term.quota.ordinal: term.opens.carried for term in terms.quotas if term.opens is not None}
    if carried := {str(ordinal): plain(amount) for ordinal, amount in opened.items() if amount != 0}:
        entry["cy"] = carried
    if dimensions:
        entry["d"] = dict(dimensions)
    if traceparent:
        entry["tp"] = traceparent
    return entry


def settle_entry(
    use: UseEntry,
    *,
    customer: str,
    to: Decimal,
    held: Sequence[CountedWindow],
    now: Instant,
    traceparent: str | None,
    excluded: Sequence[CountedWindow] = (),
    followed: Sequence[CountedWindow] = (),
) -> Entry:
    """The entry of a settled consume; `held` are those of its windows that are corrected in the cell itself.

    In those `excluded` by a reset it corrects what is billed alone; the others the cell has no more. Into those
    `followed` the decision has followed from its own: there it corrects what is enforced.
    """
    entry: Entry = {
        "k": "settle",
        "i": use.id,
        "a": plain(to - use.amount),
        "to": plain(to),
        "t": now,
        "of": use.time,
        "c": customer,
        "f": use.feature,
        "m": use.meter,
        "w": [list(window) for window in held],
    }
    # Whether a reset excludes the decision there, the cell knows no more: by its revision the total tells.
    gone = [list(window) for window in use.windows if window not in held and window not in excluded]
    if gone:
        entry["g"], entry["r"] = gone, use.revision
    if excluded:
        entry["x"] = [list(window) for window in excluded]
    if followed:
        entry["fw"] = [list(window) for window in followed]
    if use.dimensions:
        entry["d"] = dict(use.dimensions)
    if traceparent:
        entry["tp"] = traceparent
    return entry


def denied_entry(
    node: Node, *, customer: str, entitlement: Entitlement, requested: Decimal, now: Instant, traceparent: str | None
) -> Entry:
    """The entry of a write that marked the first denial by a limit in a window."""
    entry: Entry = {
        "k": "denied",
        "c": customer,
        "f": entitlement.feature,
        "m": entitlement.meter,
        "o": node.counter[0],
        "s": node.start,
        "e": node.end,
        "n": node.name,
        "kd": node.kind,
        "a": plain(requested),
        "u": plain(node.used),
        "l": plain(node.limit or ZERO),
        "lv": node.level,
        "r": Reason.RATE_LIMITED if node.kind == "rate" else Reason.QUOTA_EXCEEDED,
        "t": now,
    }
    if traceparent:
        entry["tp"] = traceparent
    return entry


def suspend_entry(
    *,
    customer: str,
    feature: str,
    meter: str,
    window: CountedWindow,
    name: str,
    scope: Scope,
    level: str,
    used: Decimal,
    limit: Decimal,
    until: Instant,
    now: Instant,
) -> Entry:
    """The entry of a write that suspended usage because a tier of this limit does, whoever came upon it."""
    entry: Entry = {
        "k": "suspend",
        "c": customer,
        "f": feature,
        "m": meter,
        "o": window.ordinal,
        "s": window.start,
        "e": window.end,
        "n": name,
        "lv": level,
        "u": plain(used),
        "l": plain(limit),
        "un": until if until < UNTIL_TOP_UP else None,
        "by": "tier",
        "t": now,
    }
    if scope:
        entry["sc"] = dict(scope)
    return entry


def carry_entry(
    about: Total,
    *,
    layers: Sequence[Layer],
    now: Instant,
    window: Window | None = None,
    removed: bool = False,
) -> Entry:
    """The entry of a write after which these layers are carried into a window: the total's own, or the one given.

    y   the layers as text      g   1: the cell has removed the window, so that its total alone is told
    """
    start, end = (about.start, about.end) if window is None else (window.start, window.end)
    entry: Entry = {
        "k": "carry",
        "c": about.customer,
        "f": about.feature,
        "m": about.governed.meter,
        "o": about.ordinal,
        "s": start,
        "e": end,
        "n": about.governed.name,
        "a": plain(total(layers)),
        "y": layers_text(layers),
        "t": now,
    }
    if removed:
        entry["g"] = 1
    return entry


def bump_entry(version: int, now: Instant) -> Entry:
    """The entry of a write that only raised the version of the limits."""
    return {"k": "bump", "v": version, "t": now}


def follow_entry(
    found: Sequence[Following], *, customer: str, feature: str, meter: str, version: int, now: Instant
) -> Entry:
    """The entry of a write that let usage follow into other windows, and raised the version of the limits.

    Each window as [ordinal, start, end, what followed but for the counter taken as it is in the write, that counter's
    ordinal and start or null, carried into the window or null, what a reset takes out of the window's own].
    """
    return {
        "k": "follow",
        "c": customer,
        "f": feature,
        "m": meter,
        "v": version,
        "t": now,
        "w": [
            [
                *each.counter,
                each.origin.end,
                plain(each.followed),
                each.live,
                None if each.opens is None else plain(each.opens.carried),
                plain(each.excluded),
            ]
            for each in found
        ],
    }


def pass_on_entry(about: Total, passed: Sequence[tuple[CountedWindow, Decimal]], now: Instant) -> Entry:
    """The entry of a write that let so much usage by event follow, from the total's window into others. Into none: from
    that write on none of it does into some window."""
    return {
        "k": "pass_on",
        "c": about.customer,
        "f": about.feature,
        "m": about.governed.meter,
        "t": now,
        "w": [[*into, plain(by)] for into, by in passed],
    }


def event_entry(ordinal: int, start: Instant, by: Decimal, brought: Decimal, now: Instant) -> Entry:
    """The entry of a write that brought a total's usage by event into a quota window; `brought` is all of it so far."""
    return {"k": "event", "o": ordinal, "s": start, "a": plain(by), "e": plain(brought), "t": now}


def tidy_entry(floor: Instant, now: Instant) -> Entry:
    """The entry of a write that only removed windows that ended by the floor."""
    return {"k": "tidy", "fl": floor, "t": now}


def entry_id(mark: RequestMark) -> str:
    """The id of a decision within its cell."""
    return f"{mark.minute}.{mark.digest.hex()}"
