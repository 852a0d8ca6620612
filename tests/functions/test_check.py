"""The check function as Lambda calls it: sample events in, answers and problems out."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from tallygate.domain.base.instants import HOUR
from tallygate.domain.catalog.catalog import Feature
from tallygate.domain.catalog.forms import meter_form
from tallygate.domain.catalog.tiers import Enforcement
from tallygate.domain.catalog.units import Unit
from tallygate.domain.limits.counters import CellName
from tallygate.domain.limits.limits import Entitlement, Limit
from tallygate.domain.metering.meters import Meter
from tallygate.domain.periods.recurrence import window_at
from tallygate.storage.base import keys
from tallygate.storage.base.documents import compact
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Put
from tallygate.storage.base.expressions import Item
from tests.functions.conftest import LoadApp, sample
from tests.given import FEATURE, METER, effective, in_force, quota, rate, sold


@pytest.fixture
def app(load_app: LoadApp, dynamo_engine: DynamoEngine) -> ModuleType:
    in_force(dynamo_engine, effective(quota(10_000), rates=(rate(5_000),), tiers={"warning": 10}))
    return load_app("check")


LEAN = [
    *("granted", "reason", "message", "decision_id", "requested", "granted_amount", "limit", "unlimited", "used"),
    *("remaining", "max_grantable", "level", "resets_at", "retry_at", "denied_by"),
]
DETAIL = ["customer", "feature", "over_limit", "held", "overage", "as_of", "period", "breakdown", "presented", "limits"]


def call(app: ModuleType, body: object, *, route: str = "consume", **changes: Any) -> dict[str, Any]:
    event = sample("check.consume" if route == "consume" else "check")
    event["body"] = body if isinstance(body, str) else json.dumps(body)
    event["headers"] = {**event["headers"], **changes.pop("headers", {})}
    event["queryStringParameters"] = changes.pop("query", {})
    event["requestContext"] = {**event["requestContext"], **changes}
    result: dict[str, Any] = app.handler(event, None)
    return {**result, "json": json.loads(result["body"])}


def ask(amount: object = 1, **more: object) -> dict[str, object]:
    return {"customer": "acme", "feature": FEATURE, "amount": amount, **more}


def test_the_sample_events_are_answered_as_the_contract_says(app: ModuleType) -> None:
    checked, consumed = app.handler(sample("check"), None), app.handler(sample("check.consume"), None)
    assert checked["statusCode"] == consumed["statusCode"] == 200
    before, after = json.loads(checked["body"]), json.loads(consumed["body"])
    assert (before["granted"], before["used"], before["decision_id"]) == (True, 0, None)
    assert (after["granted"], after["used"], after["remaining"], after["level"]) == (True, 1000, 9000, "warning")
    assert after["decision_id"].startswith("dec_")
    assert list(after) == list(before) == LEAN


def detailed(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "body": json.dumps({**json.loads(event["body"]), "detail": True})}


def test_the_detail_adds_the_parts_of_the_answer(app: ModuleType) -> None:
    after = json.loads(app.handler(detailed(sample("check.consume")), None)["body"])
    assert list(after) == [*LEAN, *DETAIL]
    assert (after["customer"], after["feature"], after["held"], after["overage"]) == ("acme", FEATURE, 0, 0)
    assert after["breakdown"] == {"base": 10_000, "carried": 0, "adjusted": 0, "followed": 0}
    assert after["period"]["timezone"] == "UTC"
    assert [state["window"]["kind"] for state in after["limits"]] == ["quota", "rate"]
    window = dict(after["limits"][0]["window"])
    assert (window.pop("kind"), window) == ("quota", {name: after["period"][name] for name in ("start", "end")})


def test_an_answer_is_short(load_app: LoadApp, dynamo_engine: DynamoEngine) -> None:
    """The longest names of 20 characters, numbers of 15 digits, a denial by a limit over two dimensions."""
    name, large = "a" * 20, 999_999_999_999_999
    scope = {"d" * 20: "v" * 20, "e" * 20: "w" * 20}
    own = replace(effective(quota(large)).entitlements[FEATURE].limits[0], name=name)
    small = Limit(name="l" * 20, scope=scope, quotas=(quota("1000000.5", ordinal=2, every="day"),))
    right = Entitlement(feature=name, meter=METER, limits=(own, small), upgrade_to="p" * 20)
    limits = replace(effective(quota(1)), customer="c" * 20, entitlements={name: right})
    in_force(dynamo_engine, limits)
    meter = Meter(key=METER, event_type=METER, aggregation="count", dimensions={name: (name,) for name in scope})
    dynamo_engine.write(Put(key=keys.catalog_meter(METER), item={"form": compact(meter_form(meter))}))
    sold(dynamo_engine, Feature(key=name, meter=METER))
    app = load_app("check")
    asked = {"customer": "c" * 20, "feature": name}
    granted = call(app, {**asked, "amount": large // 2})
    assert granted["json"]["granted"]
    assert len(granted["body"].encode()) < 500
    assert ": " not in granted["body"].replace(granted["json"]["message"], "")
    denied = call(app, {**asked, "amount": 1_000_001, "dimensions": scope})
    assert (denied["json"]["granted"], denied["json"]["denied_by"]["scope"]) == (False, scope)
    assert len(denied["body"].encode()) < 900
    own_denial = call(app, {**asked, "amount": large})
    assert own_denial["json"]["message"].endswith("the next larger plan is pppppppppppppppppppp")
    assert len(own_denial["body"].encode()) < 900


def test_a_rare_condition_is_stated_where_it_holds(load_app: LoadApp, dynamo_engine: DynamoEngine) -> None:
    limits = effective(quota(10))
    own = replace(limits.entitlements[FEATURE].limits[0], enforcement=Enforcement.SOFT)
    watch = Limit(name="watch", quotas=(quota(12, ordinal=2),), enforcement=Enforcement.OBSERVE)
    right = Entitlement(feature=FEATURE, meter=METER, limits=(own, watch))
    in_force(dynamo_engine, replace(limits, entitlements={FEATURE: right}))
    app = load_app("check")
    assert list(call(app, ask(10))["json"]) == LEAN
    over = call(app, ask(2, request_id="r"))["json"]
    assert {name: over[name] for name in over if name not in LEAN} == {"over_limit": True, "overage": 2}
    assert (over["granted"], over["reason"], over["remaining"]) == (True, "soft_limit_exceeded", 0)
    again = call(app, ask(2, request_id="r"))["json"]
    assert {name: again[name] for name in again if name not in LEAN} == {
        "over_limit": True,
        "overage": 2,
        "replayed": True,
    }
    both = call(app, ask(1))["json"]
    assert {name: both[name] for name in both if name not in LEAN} == {
        "over_limit": True,
        "overage": 3,
        "would_deny": True,
        "would_reason": "quota_exceeded",
    }


def test_the_trace_is_kept_and_returned(app: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    event = sample("check.consume")
    result = app.handler(event, None)
    assert result["headers"]["traceparent"] == event["headers"]["traceparent"]


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.strip().splitlines()]


COUNTED = {"operation": "consume", "reason": "ok"}
NAMED = {"customer", "feature", "decision_id", "replayed", "trace_id"}


def test_a_grant_is_one_short_line_by_which_it_is_counted(app: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    app.handler(sample("check.consume"), None)
    text = capsys.readouterr().out
    assert json.loads(text) == COUNTED
    assert len(text) <= 40


def test_a_denial_is_named_by_default(app: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    denied = call(app, ask(10_001))
    (line,) = lines_of(capsys)
    assert set(line) == set(COUNTED) | NAMED
    assert (line["operation"], line["reason"], line["customer"]) == ("consume", "rate_limited", "acme")
    assert line["trace_id"] == denied["headers"]["traceparent"][3:35]


@pytest.mark.parametrize(("log", "named"), [("all", (True, True)), ("denied", (False, True)), ("sampled", None)])
def test_whatever_is_named_every_decision_is_counted(
    load_app: LoadApp,
    dynamo_engine: DynamoEngine,
    capsys: pytest.CaptureFixture[str],
    log: str,
    named: tuple[bool, bool] | None,
) -> None:
    in_force(dynamo_engine, effective(quota(10_000), rates=(rate(5_000),), tiers={"warning": 10}))
    app = load_app("check", DECISION_LOG=log)
    traces = [f"{n:032x}" for n in range(1, 401)] if named is None else ["1" * 32]
    for trace in traces:
        headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        call(app, [ask(1), ask(10_001)], route="check", headers=headers)
    lines = lines_of(capsys)
    assert [line["reason"] for line in lines] == ["ok", "rate_limited"] * len(traces)
    assert all(line["operation"] == "check" for line in lines)
    found = tuple("customer" in line for line in lines)
    if named is not None:
        assert found == named
    else:
        assert 0 < sum(found) < len(lines) / 20
        assert all(found[n] == found[n + 1] for n in range(0, len(found), 2)), "of a trace all or none"


def test_what_is_refused_is_counted_by_its_status(app: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    call(app, "nonsense")
    (told,) = [line for line in lines_of(capsys) if "_aws" in line]
    assert (told["Refused"], told["status"]) == ([1.0], "400")


def test_a_denial_is_an_answer_not_an_error(app: ModuleType) -> None:
    denied = call(app, ask(10_001))
    assert denied["statusCode"] == 200
    assert (denied["json"]["granted"], denied["json"]["reason"]) == (False, "rate_limited")
    by = denied["json"]["denied_by"]
    assert list(by) == ["name", "scope", "window", "limit", "used", "remaining", "resets_at"]
    assert (by["name"], by["scope"], by["window"]["kind"], by["remaining"]) == (FEATURE, {}, "rate", 5_000)
    assert denied["json"]["decision_id"] is None


def test_an_amount_of_zero_shows_the_state_and_counts_nothing(app: ModuleType) -> None:
    assert call(app, ask(0))["json"]["granted"] is True
    assert call(app, ask(0), route="check")["json"]["used"] == 0


def test_quantities_are_exact_through_the_function(app: ModuleType) -> None:
    for amount, used in (("0.1", 0.1), ("0.2", 0.3)):
        assert call(app, ask(amount))["json"]["used"] == used
    body = '{"customer": "acme", "feature": "ai-tokens", "amount": 0.7}'
    assert call(app, body)["json"]["used"] == 1, "a JSON number is read as a decimal, never as a float"


@pytest.mark.parametrize(
    ("body", "status", "pointer", "code"),
    [
        ("{", 400, None, "malformed_request"),
        ("[]", 422, "", "type"),
        (ask(-1), 422, "/amount", "out_of_range"),
        (ask("much"), 422, "/amount", "invalid"),
        (ask("0.0000000001"), 422, "/amount", "too_small"),
        ({"feature": FEATURE}, 422, "/customer", "required"),
        (ask(ammount=3), 422, "/ammount", "unknown_field"),
        (ask(dimensions={"team": 5}), 422, "/dimensions/team", "type"),
        (ask(dimensions={f"d{n}": "x" for n in range(11)}), 422, "/dimensions", "length"),
        (ask(explain="yes"), 422, "/explain", "type"),
        (ask(request_id=""), 422, "/request_id", "length"),
        ('{"customer": "acme", "feature": "x", "amount": NaN}', 422, "/amount", "invalid"),
        ('{"customer": "acme", "feature": "x", "amount": Infinity}', 422, "/amount", "out_of_range"),
        ('{"customer": "acme", "feature": "x", "amount": 1e1000000}', 422, "/amount", "out_of_range"),
        ('{"customer": "acme", "feature": "x", "amount": 1e999999999999999999}', 422, "/amount", "out_of_range"),
        (f'{{"customer": "acme", "feature": "x", "amount": 1{"0" * 9_000}}}', 422, "/amount", "out_of_range"),
        *((ask(text), 422, "/amount", "invalid") for text in ("1e3", "+5", "5.", "Infinity")),
        (ask("9" * 18 + ".9999999995"), 422, "/amount", "out_of_range"),
        ('{"customer": "acme", "feature": "x", "amount": 1, "amount": 2}', 400, None, "malformed_request"),
        ('{"customer": "acme", "feature": "x", "amount": 1e99999999999999999999}', 422, "/amount", "out_of_range"),
    ],
)
def test_bad_input_is_a_problem_that_names_the_field(
    app: ModuleType, body: object, status: int, pointer: str | None, code: str
) -> None:
    result = call(app, body)
    assert (result["statusCode"], result["headers"]["content-type"]) == (status, "application/problem+json")
    problem = result["json"]
    assert (problem["status"], problem["retryable"]) == (status, False)
    if pointer is None:
        assert problem["code"] == code
    else:
        assert (pointer, code) in {(error["pointer"], error["code"]) for error in problem["errors"]}


@pytest.mark.parametrize(
    ("granted", "status", "code"),
    [
        ({}, 401, "unauthenticated"),
        ({"key_id": "k", "scopes": "ingest", "customer": ""}, 403, "scope_missing"),
        ({"key_id": "k", "scopes": "check", "customer": "other"}, 403, "other_customer"),
    ],
)
def test_who_may_not_ask_gets_a_problem(app: ModuleType, granted: dict[str, str], status: int, code: str) -> None:
    result = call(app, ask(), authorizer={"lambda": granted})
    assert (result["statusCode"], result["json"]["code"]) == (status, code)


def test_a_replay_says_so(app: ModuleType) -> None:
    first = call(app, ask(5), headers={"idempotency-key": '"k-1"'})
    second = call(app, ask(5), headers={"idempotency-key": "k-1"})
    assert second["headers"]["idempotent-replayed"] == "true"
    assert (second["json"]["replayed"], second["json"]["used"]) == (True, 5)
    assert first["json"]["decision_id"] == second["json"]["decision_id"]
    reused = call(app, ask(6), headers={"idempotency-key": "k-1"})
    assert (reused["statusCode"], reused["json"]["code"]) == (422, "idempotency_key_reused")
    long = call(app, ask(6), headers={"idempotency-key": "k" * 256})
    assert (long["statusCode"], long["json"]["errors"][0]["code"]) == (422, "length")


def test_a_defect_is_a_problem_that_tells_the_caller_only_the_trace(
    app: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(app.app, "clock", None)
    result = call(app, ask())
    assert (result["statusCode"], result["json"]["code"]) == (500, "invariant_broken")
    assert "NoneType" not in result["body"]
    assert "AttributeError" in caplog.text, "the log has the trace of the defect"
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "Defects" in line]
    assert [(line["Defects"], line["service"]) for line in told] == [([1.0], "tallygate")]


def test_a_denial_can_be_a_status_for_gateways(app: ModuleType) -> None:
    preferred: list[dict[str, Any]] = [{"headers": {"prefer": "http-status"}}, {"query": {"http_status": "1"}}]
    for changes in preferred:
        result = call(app, ask(10_001), **changes)
        assert (result["statusCode"], result["headers"]["content-type"]) == (429, "application/problem+json")
        problem = result["json"]
        assert (problem["code"], problem["decision"]["granted"]) == ("rate_limited", False)
        assert problem["violated-policies"] == [FEATURE, f"{FEATURE}/rate"]
    unknown = call(app, {**ask(), "customer": "nobody"}, headers={"prefer": "respond-async, http-status"})
    assert (unknown["statusCode"], unknown["json"]["code"]) == (403, "customer_not_found")
    assert call(app, ask(1), headers={"prefer": "http-status"})["statusCode"] == 200


def test_numbers_are_presented_in_the_features_unit(load_app: LoadApp, dynamo_engine: DynamoEngine) -> None:
    in_force(dynamo_engine, effective(quota(10**10)))
    unit = Unit(name="byte", display="GB", divide_by=Decimal(10**9), precision=2)
    sold(dynamo_engine, Feature(key=FEATURE, meter=METER, unit=unit))
    app = load_app("check")
    first, second = (call(app, ask(20_000_000, detail=True))["json"] for _ in range(2))
    assert first["presented"] == {"unit": "GB", "used": 0.02, "limit": 10, "remaining": 9.98}
    assert (first["used"], first["remaining"]) == (20_000_000, 9_980_000_000), "beside the raw ones"
    assert second["presented"]["used"] == 0.04
    several = call(app, [ask(0, detail=True), ask(customer="nobody", detail=True)], route="check")["json"]
    assert [decision["presented"] for decision in several] == [second["presented"], None]
    refused = call(app, ask(10**10, detail=True), headers={"prefer": "http-status"})["json"]["decision"]
    assert refused["presented"] == second["presented"]


def test_the_rate_limit_headers_say_what_is_left_and_for_how_long(app: ModuleType) -> None:
    headers = call(app, ask(1_000))["headers"]
    quota, rate = headers["ratelimit-policy"].split(", ")
    assert quota.startswith(f'"{FEATURE}";q=10000;w=')
    assert rate == f'"{FEATURE}/rate";q=5000;w=60'
    left, burst = headers["ratelimit"].split(", ")
    assert left.startswith(f'"{FEATURE}";r=9000;t=')
    assert burst.startswith(f'"{FEATURE}/rate";r=4000;t=')
    assert "retry-after" not in headers
    denied = call(app, ask(4_500))
    assert 1 <= int(denied["headers"]["retry-after"]) <= 120


def test_a_limit_below_nothing_is_one_of_nothing_in_headers_and_body(
    app: ModuleType, dynamo_engine: DynamoEngine
) -> None:
    """The base was lowered below what an adjustment had taken away."""
    own = quota(10_000)
    start = window_at(own.schedule, app.clock.now()).start
    lowered: Item = {f"a.1.{start}": Decimal(-10_010), f"u.1.{start}": Decimal(10_010), "n": 1, "cv": 1}
    dynamo_engine.write(Put(key=keys.cell(CellName("acme", FEATURE)), item=lowered))
    result = call(app, ask(1, detail=True))
    answer, headers = result["json"], result["headers"]
    assert (answer["limit"], answer["remaining"], answer["overage"]) == (0, 0, 0)
    assert answer["breakdown"] == {"base": 10_000, "carried": 0, "adjusted": -10_010, "followed": 0}
    assert headers["ratelimit-policy"].startswith(f'"{FEATURE}";q=0;w=')
    assert headers["ratelimit"].startswith(f'"{FEATURE}";r=0;t=')


def test_a_problem_says_in_its_detail_what_the_decision_says_in_its_message(app: ModuleType) -> None:
    asked = ask(10_001)
    answer = call(app, asked)["json"]
    refused = call(app, asked, headers={"prefer": "http-status"})["json"]
    assert refused["detail"] == answer["message"] == refused["decision"]["message"]
    assert answer["message"] == (
        f"Denied by {FEATURE}: 10,001 requested, 5,000 of 5,000 left at the rate of 5,000 per minute; "
        "10,001 at once can never fit this rate"
    )
    unknown = call(app, {**ask(), "customer": "nobody"}, headers={"prefer": "http-status"})["json"]
    assert unknown["detail"] == "Denied: there is no customer nobody"


def test_every_window_has_a_name_and_a_number_that_a_header_can_hold(
    load_app: LoadApp, dynamo_engine: DynamoEngine
) -> None:
    limits = effective(quota(10**18 - 1), rates=(rate(9), rate(50, per=HOUR, ordinal=10)))
    right = limits.entitlements[FEATURE]
    windows = (*right.limits[0].quotas, quota(2_000, ordinal=2, every="day"))
    right = replace(right, limits=(replace(right.limits[0], quotas=windows),))
    in_force(dynamo_engine, replace(limits, entitlements={FEATURE: right}))
    app = load_app("check")
    headers = call(app, ask(1))["headers"]
    names = [FEATURE, f"{FEATURE}/day", f"{FEATURE}/rate", f"{FEATURE}/rate/2"]
    for header, number in (("ratelimit-policy", "q"), ("ratelimit", "r")):
        members = headers[header].split(", ")
        assert [member.split(";")[0].strip('"') for member in members] == names
        assert members[0].split(";")[1] == f"{number}=999999999999999", "at most 15 digits"
    refused = call(app, ask(3_000), headers={"prefer": "http-status"})["json"]
    assert refused["violated-policies"] == names[1:]


def test_check_answers_up_to_twenty_questions_at_once(app: ModuleType) -> None:
    several = call(app, [ask(1), ask(10_001), {**ask(), "customer": "nobody"}], route="check")
    assert [decision["granted"] for decision in several["json"]] == [True, False, False]
    assert call(app, [ask()] * 21, route="check")["json"]["errors"][0]["code"] == "length"
    assert call(app, [ask(), ask(-1)], route="check")["json"]["errors"][0]["pointer"] == "/1/amount"
    assert call(app, [ask()])["statusCode"] == 422, "a consume is one question"


def test_check_foresees_the_part_that_fits(app: ModuleType) -> None:
    def granted(route: str) -> tuple[bool, int]:
        answer = call(app, ask(6_000, allow_partial=True), route=route)["json"]
        assert answer["requested"] == 6_000
        return answer["granted"], answer["granted_amount"]

    for _ in range(3):
        assert granted("check") == granted("consume")


def test_amounts_that_are_rounded_to_one_are_two_requests(app: ModuleType) -> None:
    """A request is what was sent: an id that is used again with another amount is another request."""
    sent = ("0.30000000000000004", "0.3", "0.30000000000000004", "0.30")
    answers = [call(app, ask(amount, request_id="r"))["json"] for amount in sent]
    assert [answer.get("replayed", False) for answer in answers] == [False, False, True, True]
    assert answers[-1]["used"] == 0.6
    headers = {"idempotency-key": "k"}
    assert call(app, ask("0.5000000001"), headers=headers)["statusCode"] == 200
    assert call(app, ask("0.5"), headers=headers)["json"]["code"] == "idempotency_key_reused"


def test_a_list_of_questions_has_no_one_status(app: ModuleType) -> None:
    result = call(app, [ask(), ask()], route="check", query={"http_status": "1"})
    errors = [(error["pointer"], error["code"]) for error in result["json"]["errors"]]
    assert errors == [("?http_status", "not_allowed")]


def test_a_part_is_granted_where_the_whole_does_not_fit(app: ModuleType) -> None:
    result = call(app, ask(6_000, allow_partial=True))["json"]
    assert (result["granted"], result["requested"], result["granted_amount"]) == (True, 6_000, 5_000)


def test_a_retry_under_a_rotated_key_is_the_same_request(app: ModuleType, dynamo_engine: DynamoEngine) -> None:
    first = call(app, ask(5, request_id="r"), headers={"idempotency-key": "k"})
    rotated = {"lambda": {"key_id": "key_2", "scopes": "check", "customer": ""}}
    second = call(app, ask(5, request_id="r"), headers={"idempotency-key": "k"}, authorizer=rotated)
    assert (second["json"]["replayed"], second["json"]["used"]) == (True, 5)
    assert first["json"]["decision_id"] == second["json"]["decision_id"]


def test_nobody_names_his_own_api_key(app: ModuleType, dynamo_engine: DynamoEngine) -> None:
    call(app, ask(5, dimensions={"api_key": "another"}))
    cell = dynamo_engine.get(keys.cell(CellName("acme", FEATURE)))
    assert cell is not None
    assert json.loads(str(cell["last"]))["d"] == {"api_key": "key_1"}


def test_a_decision_is_explained_only_where_the_request_asks(app: ModuleType) -> None:
    plain, explained = call(app, ask(1000)), call(app, ask(1000, explain=True))
    assert "explanation" not in plain["json"]
    found = explained["json"]["explanation"]
    assert {key: explained["json"][key] for key in plain["json"]}.keys() == plain["json"].keys()
    assert [(limit["window"]["kind"], limit["met"]) for limit in found["limits"]] == [("quota", True), ("rate", True)]
    assert found["limits"][0]["why"].startswith("1,000 requested, 9,000 of 10,000 left")
    assert found["unmatched"] == []


def test_a_denial_for_gateways_leads_to_its_reason_and_keeps_the_explanation(app: ModuleType) -> None:
    denied = call(app, ask(10_001, explain=True), headers={"prefer": "http-status"})
    assert (denied["statusCode"], denied["json"]["docs"]) == (429, "docs/reasons/rate_limited.md")
    found = denied["json"]["decision"]["explanation"]
    assert [limit["met"] for limit in found["limits"]] == [False, False]
    assert "can never fit this rate" in found["limits"][1]["why"]


def test_each_question_of_a_list_is_explained_by_itself(app: ModuleType) -> None:
    answers = call(app, [ask(1), ask(1, explain=True), ask(0, customer="nobody", explain=True)], route="check")["json"]
    assert ["explanation" in answer for answer in answers] == [False, True, True]
    assert answers[2]["explanation"]["limits"] == []


@pytest.mark.parametrize("route", ["check", "consume"])
@pytest.mark.parametrize("amount", [0, 1])
def test_an_undeclared_or_missing_dimension_is_refused_and_counts_nothing(
    app: ModuleType, dynamo_engine: DynamoEngine, route: str, amount: int
) -> None:
    sold(dynamo_engine, Feature(key=FEATURE, meter=METER, require=("model",)))
    refused = call(app, ask(amount, dimensions={"modle": "large"}), route=route)
    assert (refused["statusCode"], refused["json"]["code"]) == (422, "unknown_dimension")
    assert [(error["pointer"], error["code"]) for error in refused["json"]["errors"]] == [
        ("/dimensions/modle", "unknown_dimension"),
        ("/dimensions/model", "dimension_required"),
    ]
    missing = call(app, ask(amount), route=route)
    assert (missing["statusCode"], missing["json"]["code"]) == (422, "dimension_required")
    assert call(app, ask(amount, dimensions={"model": "large"}), route=route)["json"]["granted"]
    assert call(app, ask(0, dimensions={"model": "large"}), route="check")["json"]["used"] == (
        amount if route == "consume" else 0
    )


def test_the_question_of_a_list_that_names_an_undeclared_dimension_is_named(app: ModuleType) -> None:
    refused = call(app, [ask(), ask(dimensions={"modle": "large"}), ask(dimensions={"x": "y"})], route="check")
    assert [(error["pointer"], error["code"]) for error in refused["json"]["errors"]] == [
        ("/1/dimensions/modle", "unknown_dimension"),
        ("/2/dimensions/x", "unknown_dimension"),
    ]


def test_a_bound_key_learns_nothing_of_dimensions_of_another_s_request(app: ModuleType) -> None:
    bound = {"lambda": {"key_id": "key_1", "scopes": "check", "customer": "acme"}}
    refused = call(app, ask(customer="other", dimensions={"modle": "x"}), authorizer=bound)
    assert (refused["statusCode"], refused["json"]["code"]) == (403, "other_customer")
