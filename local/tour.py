"""The tour: the main job from end to end, request by request with its answers.

It uses the public API only, as any client would, and makes its own customers. So a second tour on the same state shows
the same. Only the first tour of a stack moves the clock: later, that would end the periods of every customer made
since.
"""

import json
import uuid
from datetime import UTC, datetime, timedelta

from local.api import Api, await_that, request, show_answer
from local.client import Json
from local.inbox import Arrival
from local.layout import REPOSITORY, Layout, StackError
from local.lifecycle import Handle

CATALOG = REPOSITORY / "events" / "catalog.json"
PLAN = "tour"
LIMIT = 5


def walk(handle: Handle, layout: Layout) -> None:
    """Perform the tour. Raises StackError if an answer is not the promised one."""
    api = Api(handle=handle)
    customer = f"tour-{uuid.uuid4().hex[:8]}"
    title("A catalog: meters, features and a plan")
    api.publish(PLAN, json.loads(CATALOG.read_text()))
    title("A customer on that plan")
    api.call("PUT", f"/v1/customers/{customer}", {"name": "Tour", "plan": PLAN})
    title("A receiver of webhooks: the local inbox, which verifies each signature")
    register_inbox(api)
    title("Report usage afterwards: three events, and one of them twice")
    events = [completion(f"{customer}-{n}", customer, tokens) for n, tokens in enumerate((1200, 300, 4500))]
    api.call("POST", "/v1/events", [*events, events[0]])
    counted = await_that(
        lambda: usage(api, customer), lambda answer: str(answer["total"]) == "6000", "the events count"
    )
    print(f"-> GET {usage_path(customer)}")
    show_answer(200, counted)
    title(f"Ask before use: a hard limit of {LIMIT} images a month")
    consume_until_denied(api, customer)
    title("The signed webhook, as the inbox received and verified it")
    show_webhook(handle, customer, "usage.limit_reached")
    if layout.toured.exists():
        return
    title("A month later: the clock moves past the period's end, and back")
    try:
        roll_the_period(api, customer)
        show_webhook(handle, customer, "usage.period_closed")
    except BaseException:
        # Return the stack to real time, however the tour ends.
        api.ask("POST", "/v1/test-clock", {"now": None})
        raise
    api.call("POST", "/v1/test-clock", {"now": None})
    layout.toured.touch()


def register_inbox(api: Api) -> None:
    """Register the inbox as an endpoint and give it the secret. Once per stack: the secret is shown once."""
    url = f"{api.handle.inbox_url}/webhooks"
    _, known = api.ask("GET", "/v1/webhook-endpoints")
    if any(endpoint["url"] == url for endpoint in known.get("data", [])):
        api.call("GET", "/v1/webhook-endpoints")
        return
    endpoint = api.call("POST", "/v1/webhook-endpoints", {"url": url, "events": ["usage.*"]})
    request("PUT", f"{api.handle.inbox_url}/secrets", {"secret": endpoint["secret"]}, {})


def completion(event_id: str, customer: str, tokens: int) -> Json:
    data = {"tokens": tokens, "model": "large"}
    return {"id": event_id, "type": "llm.completion", "subject": customer, "data": data}


def usage_path(customer: str) -> str:
    return f"/v1/usage?customer={customer}&feature=ai-tokens"


def usage(api: Api, customer: str) -> Json:
    _, answer = api.ask("GET", usage_path(customer))
    return {"total": None} | answer


def consume_until_denied(api: Api, customer: str) -> None:
    question = {"customer": customer, "feature": "images", "amount": 1}
    granted = [api.call("POST", "/v1/consume", question, shown=decision_line)["granted"] for _ in range(LIMIT + 1)]
    if granted != [True] * LIMIT + [False]:
        raise StackError(f"{LIMIT + 1} requests against a limit of {LIMIT}: granted {granted}")


def roll_the_period(api: Api, customer: str) -> None:
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    next_month = (month + timedelta(days=32)).replace(day=1) + timedelta(seconds=1)
    api.call("POST", "/v1/test-clock", {"now": next_month.isoformat().replace("+00:00", "Z")})
    decision = api.call("POST", "/v1/consume", {"customer": customer, "feature": "images"}, shown=decision_line)
    if not decision["granted"]:
        raise StackError("A new month has begun, and its first request was denied.")


def show_webhook(handle: Handle, customer: str, kind: str) -> None:
    """Wait for a webhook of this kind and customer and show it. Raises StackError if it is missing or not verified."""

    def arrived() -> Json:
        _, inbox = request("GET", handle.inbox_url, None, {})
        mine = [entry for entry in inbox["data"] if customer in entry["body"]]
        return next((entry for entry in mine if json.loads(entry["body"])["type"] == kind), {})

    found = await_that(arrived, bool, f"the webhook {kind}")
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        print(f"   {name}: {found['headers'].get(name)}")
    print(f"   {found['body']}")
    print(f"   signature {'verified' if found['verified'] else 'NOT verified'}", flush=True)
    if not found["verified"]:
        raise StackError("A webhook arrived with an invalid signature.")


def decision_line(decision: Json) -> Json:
    shown = ("granted", "reason", "used", "limit", "remaining", "level", "resets_at", "retry_at")
    return {name: decision[name] for name in shown if decision.get(name) is not None}


def arrival_line(arrival: Arrival) -> str:
    """One line of the terminal for a received webhook."""
    try:
        body = json.loads(arrival.body)
    except ValueError:
        body = {}
    kind = body.get("type", "?") if isinstance(body, dict) else "?"
    verdict = {True: "verified", False: "NOT verified", None: "unsigned"}[arrival.verified]
    return f"   inbox: {kind} on {arrival.path} ({verdict}, {len(arrival.body)} bytes)"


def title(text: str) -> None:
    print(f"\n# {text}", flush=True)
