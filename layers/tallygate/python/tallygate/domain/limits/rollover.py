"""Rolling: what one window of a quota carries into the next, walked forward over windows in which nothing happened.

    window        March        April (idle)      May
    base          1000         1000              1000
    carried in       0          400              1400           of March 600 were used, of April nothing
    carried out    400         1400

Nothing happens at the boundary: whoever first writes to a window computes what it begins with, from the newest window
that the cell shows and the stretches of time in which the quota was in force. What is carried is kept in layers where
it expires, the oldest used up first; a layer's age is in windows that the quota was in force in, so that what is frozen
while a feature is absent, or its customer suspended, comes back as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from tallygate.domain.base.exact import EXACT
from tallygate.domain.base.instants import Instant
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.carryover import DEDUCT, Carryover
from tallygate.domain.periods.recurrence import Schedule, Window, window_at

WINDOWS_WALKED_MAX = 10_000
"""Hours of more than a year: what a longer idleness would carry beyond them is not carried."""
CARRIED_MAX = Decimal(999_999_999_999_999_999)
"""As many digits as a quantity has: sums with it stay exact."""
STRETCHES_MAX = 100
"""So many changes of a base are remembered. What is older stands as if the oldest of them had always been."""


class Stretch(NamedTuple):
    """A quota's base from an instant on, until the next stretch; None: it is not in force, or without a limit."""

    since: Instant
    base: Decimal | None


class CarryRule(NamedTuple):
    """How a quota carries over from an instant on, until the next rule."""

    since: Instant
    carryover: Carryover


class Layer(NamedTuple):
    """An amount carried, and how many windows ago it was granted; negative: what was used too much."""

    amount: Decimal
    age: int


@dataclass(frozen=True, slots=True)
class WindowState:
    """How a window stands: its counter (what was used, less all it was raised by), and what was carried into it."""

    start: Instant
    counter: Decimal
    layers: tuple[Layer, ...] = ()
    adjusted: Decimal = ZERO


def rolled(
    carryover: Carryover,
    schedule: Schedule,
    stretches: Sequence[Stretch],
    last: WindowState | None,
    into: Instant,
    rules: Sequence[CarryRule] = (),
) -> tuple[Layer, ...]:
    """The layers that the window beginning at `into` begins with. `last` is the newest window before it that was
    written to; None: none ever was, and the quota's first stretch tells where to begin. Nothing was used after it.

    Each window leaves what the rule in force at its end lets through: by the `rules`, where there were several.
    """
    first = window_at(schedule, stretches[0].since)
    if last is not None and last.start < first.start:
        # It was over before anything carried over, or again: what it left was not to be carried.
        last = None
    window = first if last is None else window_at(schedule, last.start)
    layers: tuple[Layer, ...] = () if last is None else last.layers
    counter = ZERO if last is None else last.counter
    adjusted = ZERO if last is None else last.adjusted
    for _ in range(WINDOWS_WALKED_MAX):
        if window.end > into:
            break
        base = base_of(stretches, window)
        if base is not None:
            layers = carried_out(rule_at(rules, window.end, carryover), base, counter, layers, adjusted)
        window = window_at(schedule, window.end)
        counter, adjusted = -total(layers), ZERO
    return layers


def carried_out(
    carryover: Carryover, base: Decimal, counter: Decimal, layers: tuple[Layer, ...], adjusted: Decimal
) -> tuple[Layer, ...]:
    """What a window with this base leaves to the next. What is left of the whole is base − counter."""
    left = min(EXACT.subtract(base, counter), CARRIED_MAX)
    if left <= 0:
        return (Layer(left, 1),) if left < 0 and carryover.overage == DEDUCT else ()
    if carryover.expires_after is None:
        kept: list[Layer] = [Layer(left, 1)]
    else:
        kept = _unspent(left, (*layers, Layer(max(ZERO, base + adjusted), 0)), carryover.expires_after)
    if carryover.most is not None:
        kept = _newest(kept, carryover.most.of(base))
    return tuple(kept)


def total(layers: Sequence[Layer]) -> Decimal:
    """All that is carried; negative where it is owed."""
    found = ZERO
    for layer in layers:
        found = EXACT.add(found, layer.amount)
    return found


def rule_at(rules: Sequence[CarryRule], instant: Instant, always: Carryover) -> Carryover:
    """The rule in force at an instant; without rules the one that always was. Before the first of them it too holds."""
    if not rules:
        return always
    return next((rule.carryover for rule in reversed(rules) if rule.since <= instant), rules[0].carryover)


def ruled(rules: Sequence[CarryRule], carryover: Carryover, now: Instant) -> tuple[CarryRule, ...]:
    """The rules with this one from now on. Bounded like stretches."""
    past = [rule for rule in rules if rule.since <= now]
    if past and past[-1].carryover == carryover:
        return tuple(past)
    if past and past[-1].since == now:
        past.pop()
    return (*past, CarryRule(now, carryover))[-STRETCHES_MAX:]


def base_of(stretches: Sequence[Stretch], window: Window) -> Decimal | None:
    """The base that was last in force in a window; None: none was."""
    found: Decimal | None = None
    for index, (since, base) in enumerate(stretches):
        until = stretches[index + 1].since if index + 1 < len(stretches) else None
        if base is not None and since < window.end and (until is None or until > window.start):
            found = base
    return found


def base_at(stretches: Sequence[Stretch], instant: Instant) -> Decimal | None:
    """The base in force at an instant; None before the first stretch too."""
    return next((base for since, base in reversed(stretches) if since <= instant), None)


def continued(stretches: Sequence[Stretch], base: Decimal | None, now: Instant) -> tuple[Stretch, ...]:
    """The stretches with this base from now on; what was still to come is dropped. Bounded: the oldest are joined."""
    past = [stretch for stretch in stretches if stretch.since <= now]
    if past and past[-1].base == base:
        return tuple(past)
    if past and past[-1].since == now:
        past.pop()
    return (*past, Stretch(now, base))[-STRETCHES_MAX:]


def _unspent(left: Decimal, granted: Sequence[Layer], expires_after: int) -> list[Layer]:
    """What is left, in the layers that were granted, oldest first: the oldest are used up first, and expire."""
    kept: list[Layer] = []
    for layer in reversed(granted):
        amount = min(max(ZERO, layer.amount), left)
        left = EXACT.subtract(left, amount)
        if amount > 0 and layer.age + 1 <= expires_after:
            kept.append(Layer(amount, layer.age + 1))
    return kept[::-1]


def _newest(layers: Sequence[Layer], most: Decimal) -> list[Layer]:
    """At most so much of the layers: the newest, which stay usable for longest."""
    kept: list[Layer] = []
    for layer in reversed(layers):
        amount = min(layer.amount, most)
        most = EXACT.subtract(most, amount)
        if amount > 0:
            kept.append(Layer(amount, layer.age))
    return kept[::-1]


def layers_text(layers: Sequence[Layer]) -> str:
    """Layers as they are stored: `100@2,50@1`, oldest first; none: empty."""
    return ",".join(f"{layer.amount.normalize():f}@{layer.age}" for layer in layers)


def layers_of(text: str) -> tuple[Layer, ...]:
    parts = text.split(",") if text else ()
    return tuple(Layer(Decimal(amount), int(age)) for amount, _, age in (part.partition("@") for part in parts))
