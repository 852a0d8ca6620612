"""Tiers in a cell: the condition holds only where the rules grant, and always where they do of what was seen."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tallygate.domain.admission import decide
from tallygate.domain.admission.cells import Cell, RequestMark
from tallygate.domain.admission.decision import evaluate
from tallygate.domain.admission.terms import Terms, terms
from tallygate.domain.base.instants import DAY, HOUR, MINUTE
from tallygate.domain.base.quantities import ZERO
from tallygate.domain.catalog.tiers import Enforcement, tier_of
from tallygate.domain.limits.counters import CounterName
from tallygate.domain.limits.limits import Entitlement
from tallygate.domain.limits.rungs import landing
from tallygate.domain.periods.recurrence import window_at
from tallygate.storage.admission import cell_image
from tallygate.storage.admission.cells import admission_changes, admission_condition
from tallygate.storage.base.expressions import Item, changed, holds
from tests.given import NOW, entitlement, quota

Form = dict[str, Any]
SLOW: Form = {"limit": 4, "per": "minute", "burst": 4}
POLICIES: tuple[Form, ...] = (
    {"policy": "allow_with_overage"},
    {"policy": "allow_with_overage", "max_overage": 3},
    {"policy": "allow_with_grace", "grace_amount": 2},
    {"policy": "allow_with_grace", "grace_for": "PT1H"},
    {"policy": "allow_with_grace", "grace_amount": 2, "grace_for": "P1D", "then": {"suspend_usage": {}}},
    {"policy": "allow_with_grace", "grace_amount": 2, "grace_for": "PT1H", "then": {"allow_with_overage": {}}},
    {"policy": "allow_with_grace", "grace_for": "PT1H", "then": {"rate_limit": {**SLOW, "ordinal": 40}}},
    {"policy": "rate_limit", **SLOW, "ordinal": 41},
    {"policy": "deny"},
    {"policy": "suspend_usage"},
)
PLACES = st.sampled_from(["50%", "80%", "100%", "120%", 4, 12])
FORMS = st.lists(st.tuples(PLACES, st.sampled_from(POLICIES)), max_size=3, unique_by=lambda tier: tier[0])
LIMIT = 10


def right(forms: list[tuple[str | int, Form]], *, soft: bool) -> Entitlement:
    tiers = tuple(tier_of({"at": at, "level": f"level_{n}", **form}) for n, (at, form) in enumerate(forms))
    found = entitlement(quota(LIMIT), enforcement="soft" if soft else "hard")
    own = replace(found.limits[0], tiers=tiers, enforcement=Enforcement.SOFT if soft else Enforcement.HARD)
    return replace(found, limits=(own,))


COUNTER: CounterName = (1, window_at(quota(LIMIT).schedule, NOW).start)
FEW = st.integers(0, 16).map(Decimal)
RATED = st.dictionaries(st.sampled_from([(o, NOW // MINUTE - ago) for o in (40, 41) for ago in (0, 1)]), FEW)


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    """What is used, with what the window was raised by, when its grace began, and which levels are waived in it."""
    carried = {COUNTER: Decimal(draw(st.integers(1, 6)))} if draw(st.booleans()) else {}
    adjusted = {COUNTER: Decimal(draw(st.integers(-3, 6)))} if draw(st.booleans()) else {}
    raised = carried.get(COUNTER, ZERO) + adjusted.get(COUNTER, ZERO)
    used = {COUNTER: draw(FEW) - raised} if draw(st.booleans()) or raised else {}
    grace = {COUNTER: NOW - draw(st.sampled_from([0, MINUTE, HOUR, 2 * DAY]))} if draw(st.booleans()) else {}
    waived = draw(st.frozensets(st.sampled_from(["level_0", "level_1", "level_2"]), max_size=2))
    held = {COUNTER: waived} if waived else {}
    return Cell(used=used, carried=carried, adjusted=adjusted, grace=grace, rated=draw(RATED), waived=held)


def image(cell: Cell) -> Item:
    found: Item = {cell_image.used_name(counter): value for counter, value in cell.used.items()}
    found |= {cell_image.rated_name(counter): value for counter, value in cell.rated.items()}
    found |= {cell_image.window_name(cell_image.CARRIED, counter): value for counter, value in cell.carried.items()}
    found |= {cell_image.window_name(cell_image.ADJUSTED, counter): value for counter, value in cell.adjusted.items()}
    found |= {
        cell_image.window_name(cell_image.GRACE, counter): Decimal(value) for counter, value in cell.grace.items()
    }
    found |= {
        cell_image.window_name(cell_image.WAIVED, counter): cell_image.waived_text(v)
        for counter, v in cell.waived.items()
    }
    return found


def ask(entitled: Entitlement, amount: Decimal, seen: Cell) -> Terms:
    mark = RequestMark(NOW // MINUTE, b"nobody")
    return terms(entitled, amount=amount, version=1, mark=mark, remembered=False, now=NOW, seen=seen)


@settings(max_examples=1500, deadline=None)
@given(FORMS, st.booleans(), cells(), cells(), st.integers(1, 9).map(Decimal))
def test_whatever_was_seen_the_write_grants_only_what_the_rules_grant_and_counts_all_of_it(
    forms: list[tuple[str | int, Form]], soft: bool, cell: Cell, seen: Cell, amount: Decimal
) -> None:
    asked = ask(right(forms, soft=soft), amount, seen)
    if not holds(admission_condition(asked), image(cell)):
        return
    assert decide.refusal(cell, asked) is None
    term = asked.quotas[0]
    landed = (
        landing(term.shown_in(cell).rungs, term.shown_in(cell).used + amount) if term.decides and term.tiers else None
    )
    written = changed(image(cell), {}, tuple(admission_changes(asked)))
    after = cell_image.cell_of({name: Decimal(v) if isinstance(v, int) else v for name, v in written.items()})
    assert term.shown_in(after).used == term.shown_in(cell).used + amount
    if landed is None:
        return
    rates = {o: sum(v for (ordinal, _), v in after.rated.items() if ordinal == o) for o in (40, 41)}
    before = {o: sum(v for (ordinal, _), v in cell.rated.items() if ordinal == o) for o in (40, 41)}
    throttled = landed.throttle.ordinal if landed.throttle is not None else None
    assert {o for o in rates if rates[o] != before[o]} == ({throttled} if throttled else set())
    assert (COUNTER in after.grace) == (COUNTER in cell.grace or landed.grace is not None)
    assert after.grace.get(COUNTER, NOW) == cell.grace.get(COUNTER, NOW), "the first crossing stands"


@settings(max_examples=1500, deadline=None)
@given(FORMS, st.booleans(), cells(), st.integers(1, 9).map(Decimal))
def test_who_has_seen_the_cell_as_it_is_is_granted_at_once_whatever_the_rules_grant(
    forms: list[tuple[str | int, Form]], soft: bool, cell: Cell, amount: Decimal
) -> None:
    asked = ask(right(forms, soft=soft), amount, cell)
    assert holds(admission_condition(asked), image(cell)) == (decide.refusal(cell, asked) is None)


@settings(max_examples=500, deadline=None)
@given(FORMS, st.booleans(), cells(), st.integers(1, 9).map(Decimal))
def test_what_could_be_granted_is_granted_and_no_more_is(
    forms: list[tuple[str | int, Form]], soft: bool, cell: Cell, amount: Decimal
) -> None:
    """`max_grantable` of an answer is the truth: that much is granted, and a little more is not."""
    entitled = right(forms, soft=soft)
    asked = ask(entitled, amount, cell)
    if decide.refusal(cell, asked) is None:
        return
    node = evaluate(cell, asked, counted=False)[0]
    assert node.room is not None
    if node.room > 0:
        assert decide.refusal(cell, ask(entitled, node.room, cell)) is None
    more = decide.refusal(cell, ask(entitled, node.room + Decimal("0.000000001"), cell))
    assert isinstance(more, decide.Exceeded | decide.Suspending)
