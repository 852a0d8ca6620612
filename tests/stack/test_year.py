"""A year of months on the deployed template, moved by the test clock: every boundary found independently of the code.

    31 Jan 23:59:59Z   monthly   from the start of the subscription: 28 or 29 Feb, 31 Mar, 30 Apr, …
     1 Feb 00:00:00Z   utc       calendar months in UTC, with a quota of each week beside the month's
     1 Feb 05:00:00Z   eastern   calendar months in New York: from April to November they begin at 04:00:00Z

Each is asked at its boundary and a second before it: the clock stops five times a month, for more than a second each.
It moves forward only and is everybody's: it is given back when the module is done.

The week counts what the end of one month and the beginning of the next consume, where they share it:

    month  ──────── 60 ┤├ 40 ─────────────── 60 ┤├ 40      100 fill the month; so does the week, from Monday to Monday,
    week        ├── 60    40 ──┤        ├─── 60    40 ──┤   but where the month begins on a Monday it has room for more
"""

from __future__ import annotations

import json
from calendar import monthrange
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import standardwebhooks

from local.client import with_ours
from tests.stack.api import Api, unique, until
from tests.stack.receiver import Receiver

LIMIT = WEEKLY = 100
EARLY, LATE = 40, 60
MONTHS = 12
SECOND, WEEK = timedelta(seconds=1), timedelta(days=7)
EASTERN = "America/New_York"

pytestmark = pytest.mark.timeout(300)


@dataclass(slots=True)
class Walked:
    """A customer, its feature and plan of the same name; where its months begin; and what it was answered.

    `first`, `last`, `beyond` and `late` are the answers of month k: to the first of its units, to the last that fits,
    to one more, and to one more in the last second. `peeked` is whether one more would have fitted in the beginning;
    `next_month` is a check at the thirteenth boundary.
    """

    name: str
    zone: str
    months: list[datetime]
    windows: list[dict[str, Any]]
    first: list[Any] = field(default_factory=list)
    last: list[Any] = field(default_factory=list)
    beyond: list[Any] = field(default_factory=list)
    late: list[Any] = field(default_factory=list)
    peeked: list[Any] = field(default_factory=list)
    next_month: Any = None

    @property
    def by_week(self) -> bool:
        return len(self.windows) > 1


Step = Callable[[Api, Walked], None]


def text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def next_january() -> int:
    """The year of the next 31 January that is certainly ahead."""
    today = datetime.now(UTC).date()
    return today.year + (today.month > 1 or today.day > 29)


def firsts(year: int, zone: str) -> list[datetime]:
    """The first of February and of the twelve months after it, at midnight in a zone."""
    named = [divmod(1 + n, 12) for n in range(MONTHS + 1)]
    return [datetime(year + more, month + 1, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC) for more, month in named]


def thirty_firsts(year: int) -> list[datetime]:
    """The last second of 31 January, and of the twelve months after it: of their 31st, where they have one."""
    named = [divmod(n, 12) for n in range(MONTHS + 1)]
    days = [(year + more, month + 1, min(31, monthrange(year + more, month + 1)[1])) for more, month in named]
    return [datetime(*day, 23, 59, 59, tzinfo=UTC) for day in days]


def monday_of(moment: datetime) -> datetime:
    """When the week of a moment began, in UTC."""
    return moment.replace(hour=0, minute=0, second=0) - timedelta(days=moment.weekday())


@pytest.fixture(scope="module")
def endpoint(api: Api, receiver: Receiver) -> Iterator[Any]:
    events = ["usage.period_closed", "limit.period_closed"]
    made = api.good("POST", "/v1/webhook-endpoints", {"url": receiver.url("/year"), "events": events})
    yield made
    api("DELETE", f"/v1/webhook-endpoints/{made['id']}")


@pytest.fixture(scope="module")
def year(api: Api, endpoint: Any) -> Iterator[dict[str, Walked]]:
    """Three customers after a year of months."""
    began = next_january()
    month = {"limit": LIMIT, "period": {"every": "month"}}
    week = {"limit": WEEKLY, "period": {"every": "week"}}
    anchored = {"limit": LIMIT, "period": {"every": "month", "anchor": "subscription_start"}}
    walked = {
        "monthly": Walked(unique("monthly"), "UTC", thirty_firsts(began), [anchored]),
        "utc": Walked(unique("utc"), "UTC", firsts(began, "UTC"), [month, week]),
        "eastern": Walked(unique("eastern"), EASTERN, firsts(began, EASTERN), [month]),
    }
    try:
        declare(api, list(walked.values()), at=walked["monthly"].months[0])
        walk(api, list(walked.values()))
        yield walked
    finally:
        api.good("POST", "/v1/test-clock", {"now": None})


def declare(api: Api, everybody: list[Walked], *, at: datetime) -> None:
    """Their features and plans, beside what other tests declare; and they themselves, subscribed at this moment."""
    declared = {
        "meters": [{"key": w.name, "event_type": w.name, "aggregation": "count"} for w in everybody],
        "features": [{"key": w.name, "type": "metered", "meter": w.name} for w in everybody],
        "plans": [{"key": w.name, "entitlements": [{"feature": w.name, "windows": w.windows}]} for w in everybody],
    }
    api.good("PUT", "/v1/catalog", with_ours(api.good("GET", "/v1/catalog"), declared))
    stop(api, at)
    for w in everybody:
        api.good("PUT", f"/v1/customers/{w.name}", {"plan": w.name, "timezone": w.zone})


def walk(api: Api, everybody: list[Walked]) -> None:
    """From boundary to boundary, everybody's in one order of time: the clock does not go back."""
    steps: defaultdict[datetime, list[tuple[Step, Walked]]] = defaultdict(list)
    for w in everybody:
        for start, end in pairwise(w.months):
            steps[start].append((enter, w))
            steps[end - SECOND].append((leave, w))
            if w.by_week:
                steps[end - 2 * SECOND].append((fill, w))
        steps[w.months[-1]].append((look, w))
    for moment in sorted(steps):
        stop(api, moment)
        for step, w in steps[moment]:
            step(api, w)


def stop(api: Api, moment: datetime) -> None:
    assert api.good("POST", "/v1/test-clock", {"now": text(moment)})["now"] == text(moment)


def ask(api: Api, w: Walked, amount: int) -> Any:
    return api.settled("POST", "/v1/consume", {"customer": w.name, "feature": w.name, "amount": amount, "detail": True})


def peek(api: Api, w: Walked, amount: int) -> Any:
    return api.settled("POST", "/v1/check", {"customer": w.name, "feature": w.name, "amount": amount, "detail": True})


def enter(api: Api, w: Walked) -> None:
    """The month's first moment: all of its units, or all that its first week may have left."""
    if w.by_week:
        w.first.append(ask(api, w, EARLY))
        w.peeked.append(peek(api, w, 1))
    else:
        w.first.append(ask(api, w, LIMIT - 1))
        w.last.append(ask(api, w, 1))
        w.beyond.append(ask(api, w, 1))


def fill(api: Api, w: Walked) -> None:
    """Two seconds before the end: what the month has left, which its last week has too."""
    w.last.append(ask(api, w, LATE))
    w.beyond.append(ask(api, w, 1))


def leave(api: Api, w: Walked) -> None:
    """The month's last second. The clock waits for the fold: what is counted after the closing restates it."""
    w.late.append(ask(api, w, 1))
    since = f"&from={text(w.months[0] - SECOND)}&to={text(w.months[-1] + WEEK)}"
    usage = f"/v1/usage?customer={w.name}&feature={w.name}{since}"
    until(lambda: api.good("GET", usage)["total"], lambda total: total == LIMIT * len(w.late))


def look(api: Api, w: Walked) -> None:
    w.next_month = peek(api, w, EARLY)


WHO = pytest.mark.parametrize("who", ["monthly", "utc", "eastern"])


def months_of(w: Walked) -> list[tuple[str, str]]:
    return [(text(start), text(end)) for start, end in pairwise(w.months)]


def periods_of(answers: list[Any]) -> list[tuple[str, str]]:
    return [(answer["period"]["start"], answer["period"]["end"]) for answer in answers]


def closings(api: Api, w: Walked, every: str) -> list[Any]:
    page = api.good("GET", f"/v1/customers/{w.name}/periods?feature={w.name}&limit={w.name}&page_size=100")
    assert page["next_cursor"] is None
    return [closing for closing in page["data"] if closing["period"]["every"] == every]


def test_the_year_has_what_makes_months_hard(year: dict[str, Walked]) -> None:
    assert {moment.hour for moment in year["eastern"].months} == {4, 5}, "the clocks of New York changed, and back"
    days = [moment.day for moment in year["monthly"].months]
    assert (days[0], days[2], days[3], days[-1]) == (31, 31, 30, 31), "no month has shortened those after it"
    assert days[1] in (28, 29)


@WHO
def test_each_month_grants_exactly_its_limit_from_its_first_moment_on(year: dict[str, Walked], who: str) -> None:
    w = year[who]
    assert [answer["granted"] for answer in w.first + w.last] == [True] * 2 * MONTHS
    assert [(answer["used"], answer["remaining"]) for answer in w.last] == [(LIMIT, 0)] * MONTHS
    assert periods_of(w.first) == periods_of(w.last) == months_of(w)
    assert {answer["period"]["timezone"] for answer in w.first} == {w.zone}
    assert (w.next_month["granted"], w.next_month["used"]) == (True, 0)


@WHO
def test_beyond_it_everything_is_denied_until_the_next_boundary(year: dict[str, Walked], who: str) -> None:
    w = year[who]
    ends = [end for _, end in months_of(w)]
    for denied in (w.beyond, w.late):
        assert {(answer["granted"], answer["reason"]) for answer in denied} == {(False, "quota_exceeded")}
        assert [answer["retry_at"] for answer in denied] == [answer["resets_at"] for answer in denied] == ends
        assert {answer["used"] for answer in denied} == {LIMIT}, "a denial counts nothing"
    assert periods_of(w.late) == months_of(w), "the last second is still the month's"


def test_a_week_that_is_used_up_denies_before_its_month(year: dict[str, Walked]) -> None:
    w = year["utc"]
    for k, (start, answer) in enumerate(zip(w.months, w.peeked, strict=False)):
        if k == 0 or start.weekday() == 0:
            assert answer["granted"], "a week that begins with the month has room"
            continue
        assert (answer["granted"], answer["reason"]) == (False, "quota_exceeded")
        monday = text(monday_of(start) + WEEK)
        assert (answer["retry_at"], answer["denied_by"]["window"]["end"]) == (monday, monday)
        assert (answer["used"], answer["remaining"]) == (EARLY, LIMIT - EARLY), "the month has room"


@WHO
def test_every_month_is_closed_once_without_gap_or_overlap(api: Api, year: dict[str, Walked], who: str) -> None:
    w = year[who]
    closed = closings(api, w, "month")
    assert periods_of(closed) == months_of(w)
    assert [(closing["raw"], closing["overage"], closing["revision"]) for closing in closed] == [(LIMIT, 0, 1)] * MONTHS
    assert len({closing["id"] for closing in closed}) == MONTHS


def test_a_week_that_two_months_share_is_closed_as_one(api: Api, year: dict[str, Walked]) -> None:
    w = year["utc"]
    used: defaultdict[datetime, int] = defaultdict(int)
    for start, end in pairwise(w.months):
        used[monday_of(start)] += EARLY
        used[monday_of(end - 2 * SECOND)] += LATE
    over = [monday for monday in sorted(used) if monday + WEEK <= w.months[-1]]
    assert [(c["period"]["start"], c["period"]["end"], c["raw"]) for c in closings(api, w, "week")] == [
        (text(monday), text(monday + WEEK), used[monday]) for monday in over
    ]


@WHO
def test_each_closing_is_told_once_and_in_sequence(
    api: Api, year: dict[str, Walked], receiver: Receiver, endpoint: Any, who: str
) -> None:
    w = year[who]
    listed = {closing["id"]: closing for every in ("month", "week") for closing in closings(api, w, every)}

    def told() -> list[Any]:
        bodies = [(arrival, json.loads(arrival.body)) for arrival in list(receiver.arrivals["/year"])]
        return [(arrival, body) for arrival, body in bodies if body["data"]["customer"] == w.name]

    arrived = until(told, lambda found: len(found) >= len(listed))
    for arrival, _ in arrived:
        standardwebhooks.Webhook(endpoint["secret"]).verify(arrival.body, arrival.headers)
    assert sorted(body["id"] for _, body in arrived) == sorted(listed), "each once"
    types = {(body["data"]["period"]["every"], body["type"], "billable" in body["data"]) for _, body in arrived}
    assert types <= {("month", "usage.period_closed", True), ("week", "limit.period_closed", False)}
    months = [body["data"] for _, body in arrived if body["data"]["period"]["every"] == "month"]
    in_order = sorted(months, key=lambda data: data["sequence"])
    assert periods_of(in_order) == months_of(w)
    assert len({body["data"]["sequence"] for _, body in arrived}) == len(arrived)


@WHO
def test_usage_by_month_agrees(api: Api, year: dict[str, Walked], who: str) -> None:
    w = year[who]
    since = f"&from={text(w.months[0] - SECOND)}&to={text(w.months[-1])}"
    usage = api.good("GET", f"/v1/usage?customer={w.name}&feature={w.name}&window=month&tz={w.zone}{since}")
    # What is counted in the last second of a day is usage of that calendar month, whatever month was bought.
    assert [row["value"] for row in usage["data"]] == [LIMIT] * MONTHS
    assert usage["total"] == LIMIT * MONTHS
