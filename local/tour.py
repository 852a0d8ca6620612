"""What a newcomer sees: the main job, end to end, request by request with its answers.

Walks the public API only, as any client would, with customers of its own, so that a second walk on the same state
shows the same. The clock is moved in the first walk of a stack only: it would end the periods of every customer
that has been made since.
"""

import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from local.inbox import Arrival
from local.layout import REPOSITORY, Layout, StackError
from local.lifecycle import Handle

CATALOG = REPOSITORY / "events" / "catalog.json"
PLAN = "tour"
WAIT_S = 30
POLL_INTERVAL_S = 0.2
WIDTH = 108
LIMIT = 5

Json = dict[str, Any]


def walk(handle: Handle, layout: Layout) -> None:
    """Perform the tour; StackError where an answer is not the one that the product promises."""
    api = Api(handle=handle)
    customer = f"tour-{uuid.uuid4().hex[:8]}"
    title("A catalog: what is metered, what is sold, and in which plan")
    publish_catalog(api)
    title("A customer on that plan")
    api.call("PUT", f"/v1/customers/{customer}", {"name": "Tour", "plan": PLAN})
    title("Somewhere to send webhooks: the local inbox, which verifies what arrives")
    endpoint = api.call(
        "POST", "/v1/webhook-endpoints", {"url": f"{handle.inbox_url}/{customer}", "events": ["usage.*"]}
    )
    request("PUT", f"{handle.inbox_url}/secrets", {"secret": endpoint["secret"]}, {})
    title("Usage reported after the fact: three events, and one of them again")
    events = [completion(f"{customer}-{n}", customer, tokens) for n, tokens in enumerate((1200, 300, 4500))]
    api.call("POST", "/v1/events", [*events, events[0]])
    counted = await_that(
        lambda: usage(api, customer), lambda answer: str(answer["total"]) == "6000", "the events count"
    )
    show_answer(200, counted)
    title(f"Usage asked for first: a hard limit of {LIMIT} images a month")
    consume_until_denied(api, customer)
    title("The signed webhook, as the inbox received and verified it")
    show_webhook(handle, customer, "usage.limit_reached")
    if layout.toured.exists():
        return
    title("A month later: the clock moves over the period's end, and back")
    roll_the_period(api, customer)
    show_webhook(handle, customer, "usage.period_closed")
    api.call("POST", "/v1/test-clock", {"now": None})
    layout.toured.touch()


def publish_catalog(api: "Api") -> None:
    """Put the tour's catalog, unless it is there already or would replace somebody's own."""
    status, known = request("GET", f"{api.handle.api_url}/v1/catalog", None, api.authorization)
    plans = {plan["key"] for plan in known.get("plans", [])} if status == 200 else set()
    if PLAN in plans:
        api.call("GET", "/v1/catalog")
        return
    ours = json.loads(CATALOG.read_text())
    for part in ("meters", "features", "plans") if plans else ():
        taken = {entry["key"] for entry in ours[part]}
        ours[part] += [entry for entry in known[part] if entry["key"] not in taken]
    api.call("PUT", "/v1/catalog", ours)


def completion(event_id: str, customer: str, tokens: int) -> Json:
    data = {"tokens": tokens, "model": "large"}
    return {"id": event_id, "type": "llm.completion", "subject": customer, "data": data}


def usage(api: "Api", customer: str) -> Json:
    query = f"/v1/usage?customer={customer}&feature=ai-tokens"
    _, answer = request("GET", api.handle.api_url + query, None, api.authorization)
    return {"total": None} | answer


def consume_until_denied(api: "Api", customer: str) -> None:
    question = {"customer": customer, "feature": "images", "amount": 1}
    granted = [api.call("POST", "/v1/consume", question, shorten=True)["granted"] for _ in range(LIMIT + 1)]
    if granted != [True] * LIMIT + [False]:
        raise StackError(f"Of {LIMIT + 1} requests against a limit of {LIMIT}, these were granted: {granted}")


def roll_the_period(api: "Api", customer: str) -> None:
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    next_month = (month + timedelta(days=32)).replace(day=1) + timedelta(seconds=1)
    api.call("POST", "/v1/test-clock", {"now": next_month.isoformat().replace("+00:00", "Z")})
    decision = api.call("POST", "/v1/consume", {"customer": customer, "feature": "images"}, shorten=True)
    if not decision["granted"]:
        raise StackError("A new month has begun, and its first request was denied.")


def show_webhook(handle: Handle, customer: str, kind: str) -> None:
    """Wait for a webhook of this kind and customer, and show it; StackError when it is missing or not verified."""

    def arrived() -> Json:
        _, inbox = request("GET", handle.inbox_url, None, {})
        mine = [entry for entry in inbox["data"] if entry["path"] == f"/{customer}"]
        return next((entry for entry in mine if json.loads(entry["body"])["type"] == kind), {})

    found = await_that(arrived, bool, f"the webhook {kind}")
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        print(f"   {name}: {found['headers'].get(name)}")
    print(f"   {compact(json.loads(found['body']))}")
    print(f"   signature {'verified' if found['verified'] else 'NOT verified'}", flush=True)
    if not found["verified"]:
        raise StackError("A webhook arrived whose signature does not verify.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The deployed API with the manage key, each call printed with its answer."""

    handle: Handle

    @property
    def authorization(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.handle.manage_key}"}

    def call(self, method: str, path: str, body: Any = None, *, shorten: bool = False) -> Json:
        print(f"-> {method} {path}" + (f"\n   {compact(body)}" if body is not None else ""))
        status, answer = request(method, self.handle.api_url + path, body, self.authorization)
        show_answer(status, decision_line(answer) if shorten and status == 200 else answer)
        if status >= 300:
            raise StackError(f"{method} {path} answered {status}")
        return answer


def request(method: str, url: str, body: Any, headers: dict[str, str]) -> tuple[int, Json]:
    """One HTTP exchange in JSON: the status, and the answer as it was."""
    content = None if body is None else json.dumps(body).encode()
    question = urllib.request.Request(url, content, headers | {"content-type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(question, timeout=WAIT_S) as answer:
            status, content = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, content = error.code, error.read()
    try:
        return status, json.loads(content or b"{}")
    except ValueError:
        return status, {"body": content.decode(errors="replace")}


def await_that(ask: Callable[[], Json], holds: Callable[[Json], bool], what: str) -> Json:
    """Ask until the answer holds; StackError when it never does."""
    deadline = time.monotonic() + WAIT_S
    while not holds(answer := ask()):
        if time.monotonic() > deadline:
            raise StackError(f"Waited {WAIT_S} s in vain: {what}. The last answer: {compact(answer)}")
        time.sleep(POLL_INTERVAL_S)
    return answer


def decision_line(decision: Json) -> Json:
    told = ("granted", "reason", "used", "limit", "remaining", "level", "resets_at", "retry_at")
    return {name: decision[name] for name in told if decision.get(name) is not None}


def arrival_line(arrival: Arrival) -> str:
    """One line of the terminal for a webhook that came in."""
    try:
        body = json.loads(arrival.body)
    except ValueError:
        body = {}
    kind = body.get("type", "?") if isinstance(body, dict) else "?"
    verdict = {True: "verified", False: "NOT verified", None: "unsigned"}[arrival.verified]
    return f"   inbox: {kind} on {arrival.path} ({verdict}, {len(arrival.body)} bytes)"


def title(text: str) -> None:
    print(f"\n# {text}", flush=True)


def show_answer(status: int, answer: Any) -> None:
    print(f"<- {status} {compact(answer)}", flush=True)


def compact(value: Any) -> str:
    """JSON on a line, cut where nobody reads on."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= WIDTH * 4 else f"{text[: WIDTH * 4]} …"
