"""Decisions, as a customer could read them: what is declared, what is asked one after the other, what is answered.

The tables are in `decision_contract.py`. Each runs on both engines, asked of one container and of two by turns, which
then remember what is out of date; and of every request check says just before what consume says.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tallygate.contracts.catalog.catalog import read_catalog
from tallygate.domain.admission.tier_suspensions import lifting
from tallygate.domain.base.instants import DAY, HOUR, MINUTE, SECOND, Instant, format_instant, parse_instant
from tallygate.domain.entries.notices import ResumeEntry
from tallygate.domain.limits.compiled import Dates, compile_effective
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Effective
from tallygate.operations.admission.attempts import Consume
from tallygate.operations.corrections.settle import Settle, settle
from tallygate.operations.journal.find_decision import decision_named
from tallygate.storage.admission.cells import Cells
from tallygate.storage.base.engine import Engine, Update
from tallygate.storage.corrections.controls import CellControls
from tallygate.storage.journal.decisions import Decisions
from tests.answers import detailed
from tests.containers import Clocked
from tests.given import FEATURE, METER, NOW, in_force, known_to, wanted
from tests.operations.decision_contract import SCENARIOS, Form, Scenario

CELL = CellName("acme", FEATURE)
UNITS = {"d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND}
MONTH_END = parse_instant("2026-12-01T00:00:00Z")
STATED = ("granted", "reason", "overage", "over_limit", "retry_at", "would_deny", "would_reason")
"""What check says of a request that would be granted; of one that would not, it says all that consume does."""


def compiled(scenario: Scenario, declared: Form, previous: Effective | None, now: Instant) -> Effective:
    limits = [{"feature": FEATURE, **limit} for limit in scenario.further]
    catalog = read_catalog(
        {
            "meters": [{"key": METER, "event_type": METER, "aggregation": "count", "dimensions": {"model": "$.model"}}],
            "features": [{"key": FEATURE, "type": "metered", "meter": METER}],
            "plans": [{"key": "pro", "entitlements": [{"feature": FEATURE, **declared}], "limits": limits}],
        }
    )
    plan = catalog.plan("pro")
    return compile_effective(
        customer="acme", previous=previous, dates=Dates(zone="UTC", now=now), plan=plan, catalog=catalog
    )


def instant(text: str) -> Instant:
    """`+1m12s` after the first request; `month` is the end of its month."""
    if text == "month":
        return MONTH_END
    found, digits = NOW, ""
    for letter in text.removeprefix("+"):
        digits, found = (digits + letter, found) if letter.isdigit() else ("", found + int(digits) * UNITS[letter])
    return found


class Told:
    """The scenario as far as it has been told."""

    def __init__(self, engine: Engine, scenario: Scenario, containers: int) -> None:
        self.engine, self.scenario = engine, scenario
        self.containers = [Clocked(engine, drawn=1000 * number) for number in range(containers)]
        self.decisions: list[str | None] = []
        self.limits = compiled(scenario, scenario.declared, None, NOW)
        self.now = NOW
        in_force(engine, self.limits)

    def does(self, word: str, *rest: str) -> None:
        """What happens between two requests."""
        match word:
            case "settle":
                decision_id = self.decisions[int(rest[0]) - 1]
                assert decision_id is not None
                named = decision_named(decision_id, known_to(self.engine), now=self.now)
                request = Settle(decision_id=decision_id, decision=named, amount=Decimal(rest[1]))
                settle(Decisions(self.engine), request, now=self.now)
            case "resume":
                controls = CellControls(self.engine)
                found = lifting(controls.read(CELL), self.limits, FEATURE, self.now)
                assert found is not None, "there is something to resume"
                entry = ResumeEntry(feature=FEATURE, time=self.now, actor="ops", waivers=found.waivers)
                for move in controls.resume(CELL, found, entry, self.now):
                    assert isinstance(move, Update)
                    self.engine.write(move)
            case "limit":
                given = None if rest[0] == "null" else int(rest[0])
                declared = {**self.scenario.declared, "limit": given}
                self.limits = compiled(self.scenario, declared, self.limits, self.now)
                in_force(self.engine, self.limits)
                Cells(self.engine).raise_version(CELL, self.limits.version, self.now)
            case _:
                raise AssertionError(word)

    def asks(self, line: str) -> None:
        at, asked, *numbers = line.split()
        expected, said = numbers[:8], numbers[8:]
        self.now = instant(at)
        request = replace(wanted(asked), **_given(said))
        container = self.containers[len(self.decisions) % len(self.containers)]
        before = detailed(container.check(request, self.now))
        decision = container.consume(request, self.now)
        answer = detailed(decision)
        self.decisions.append(decision.decision_id)
        assert _row(answer) == expected, f"after {line!r}"
        assert answer["over_limit"] is (answer["overage"] > 0)
        would = next((word.removeprefix("would=") for word in said if word.startswith("would=")), None)
        assert (answer.get("would_deny"), answer.get("would_reason")) == (would and True, would), line
        assert answer.get("replayed") is (True if "replayed" in said else None), line
        if decision.replayed or request.allow_partial:
            return
        names = STATED if answer["granted"] else tuple(before | answer)
        assert {n: before.get(n) for n in names} == {n: answer.get(n) for n in names}, f"check before {line!r}"


def _given(said: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"dimensions": {}}
    for word in said:
        name, _, value = word.partition("=")
        if name == "model":
            found["dimensions"] = {"model": value}
        elif name == "id":
            found["request_id"] = value
        elif name == "partly":
            found["allow_partial"] = True
    return found


def _row(answer: dict[str, Any]) -> list[str]:
    """The columns of a table: grants, reason, used, left, over, level, takes, again."""

    def number(value: object) -> str:
        return "any" if value is None else str(value)

    again = "-" if answer["retry_at"] is None else _offset(parse_instant(answer["retry_at"]))
    return [
        number(answer["granted_amount"]),
        answer["reason"],
        number(answer["used"]),
        number(answer["remaining"]),
        number(answer["overage"]),
        answer["level"],
        number(answer["max_grantable"]),
        again,
    ]


def _offset(at: Instant) -> str:
    if at == MONTH_END:
        return "month"
    left, text = at - NOW, "+"
    for unit, length in UNITS.items():
        if left // length:
            text += f"{left // length}{unit}"
        left %= length
    assert left == 0, format_instant(at)
    return text if text != "+" else "+0s"


@pytest.mark.parametrize("containers", [1, 2], ids=["one container", "two by turns"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_what_is_answered(engine: Engine, scenario: Scenario, containers: int) -> None:
    told = Told(engine, scenario, containers)
    for line in scenario.lines:
        if line.startswith("!"):
            told.does(*line.removeprefix("!").split())
        else:
            told.asks(line)


def test_every_scenario_has_a_name_of_its_own() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)
    assert all(isinstance(wanted(1), Consume) and scenario.lines for scenario in SCENARIOS)
