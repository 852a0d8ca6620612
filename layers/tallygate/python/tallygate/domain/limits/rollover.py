"""Rollover: what one window of a quota carries into the next. Idle windows are walked one by one.

    window        March        April (idle)      May
    base          1000         1000              1000
    used           600            0
    carried in       0          400              1400
    carried out    400         1400

Nothing runs at the boundary. The first write to a window computes its opening balance, from the newest window that the
cell shows and the history of the quota's base (`Stretch`).

Carryover that expires is kept in layers, and the oldest layer is spent first. A layer's age counts only windows in
which the quota was in force. So carryover does not age while the feature is absent or usage is suspended by an
operator.
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
"""Hourly windows of more than a year. The base of further idle windows is not carried."""
CARRIED_MAX = Decimal(999_999_999_999_999_999)
"""The most that is carried: as many digits as a quantity has, so sums stay exact."""
STRETCHES_MAX = 100
"""Changes of a base that are remembered. Before the oldest of them, no base is known."""


class Stretch(NamedTuple):
    """The base of a quota from `since` until the next stretch; None: not in force, suspended or unlimited."""

    since: Instant
    base: Decimal | None


class CarryRule(NamedTuple):
    """The carryover rule of a quota from `since` until the next rule."""

    since: Instant
    carryover: Carryover


class Layer(NamedTuple):
    """An amount carried over.

    amount: units; negative: overage that is deducted
    age: windows since it was granted
    """

    amount: Decimal
    age: int


@dataclass(frozen=True, slots=True)
class WindowState:
    """The state of one window, from which the next one's opening balance is computed.

    counter: usage less everything that raised the limit
    layers: what was carried into it, oldest first
    adjusted: sum of its manual adjustments
    """

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
    """The opening balance, in layers, of the window that begins at `into`.

    last: state of the newest earlier window that was written to; nothing was used after it. None: none was written to,
        and the walk begins at the quota's first stretch
    rules: history of the carryover rule; empty: `carryover` has always applied. Each window carries out by the rule in
        force at its end
    """
    first = window_at(schedule, stretches[0].since)
    if last is not None and last.start < first.start:
        # That window ended before carryover began, or began again. Its remainder is not carried.
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
    """What a window with this base carries into the next one. Its unused amount is base − counter."""
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
    """The sum of the layers; negative where overage is deducted."""
    found = ZERO
    for layer in layers:
        found = EXACT.add(found, layer.amount)
    return found


def rule_at(rules: Sequence[CarryRule], instant: Instant, always: Carryover) -> Carryover:
    """The rule in force at an instant. Before the first rule, the first applies; without rules, `always` does."""
    if not rules:
        return always
    return next((rule.carryover for rule in reversed(rules) if rule.since <= instant), rules[0].carryover)


def ruled(rules: Sequence[CarryRule], carryover: Carryover, now: Instant) -> tuple[CarryRule, ...]:
    """The rules, with this one from now on. The newest STRETCHES_MAX are kept."""
    past = [rule for rule in rules if rule.since <= now]
    if past and past[-1].carryover == carryover:
        return tuple(past)
    if past and past[-1].since == now:
        past.pop()
    return (*past, CarryRule(now, carryover))[-STRETCHES_MAX:]


def base_of(stretches: Sequence[Stretch], window: Window) -> Decimal | None:
    """The last base in force in a window; None: there was none."""
    found: Decimal | None = None
    for index, (since, base) in enumerate(stretches):
        until = stretches[index + 1].since if index + 1 < len(stretches) else None
        if base is not None and since < window.end and (until is None or until > window.start):
            found = base
    return found


def base_at(stretches: Sequence[Stretch], instant: Instant) -> Decimal | None:
    """The base in force at an instant; None: there was none, or the instant is before the first stretch."""
    return next((base for since, base in reversed(stretches) if since <= instant), None)


def continued(stretches: Sequence[Stretch], base: Decimal | None, now: Instant) -> tuple[Stretch, ...]:
    """The stretches, with this base from now on. Future stretches are dropped; the newest STRETCHES_MAX are kept."""
    past = [stretch for stretch in stretches if stretch.since <= now]
    if past and past[-1].base == base:
        return tuple(past)
    if past and past[-1].since == now:
        past.pop()
    return (*past, Stretch(now, base))[-STRETCHES_MAX:]


def _unspent(left: Decimal, granted: Sequence[Layer], expires_after: int) -> list[Layer]:
    """Spread the unused amount over the granted layers (oldest first) and drop the layers that expire.

    Usage spends the oldest layers first, so the unused amount lies in the newest ones.
    """
    kept: list[Layer] = []
    for layer in reversed(granted):
        amount = min(max(ZERO, layer.amount), left)
        left = EXACT.subtract(left, amount)
        if amount > 0 and layer.age + 1 <= expires_after:
            kept.append(Layer(amount, layer.age + 1))
    return kept[::-1]


def _newest(layers: Sequence[Layer], most: Decimal) -> list[Layer]:
    """At most `most` of the layers: the newest, because they stay usable for longest."""
    kept: list[Layer] = []
    for layer in reversed(layers):
        amount = min(layer.amount, most)
        most = EXACT.subtract(most, amount)
        if amount > 0:
            kept.append(Layer(amount, layer.age))
    return kept[::-1]


def layers_text(layers: Sequence[Layer]) -> str:
    """The stored form of layers, oldest first: `100@2,50@1`; an empty text without layers."""
    return ",".join(f"{layer.amount.normalize():f}@{layer.age}" for layer in layers)


def layers_of(text: str) -> tuple[Layer, ...]:
    """Parse the stored form that `layers_text` writes."""
    parts = text.split(",") if text else ()
    return tuple(Layer(Decimal(amount), int(age)) for amount, _, age in (part.partition("@") for part in parts))
