"""Decisions for gateways: the rate-limit headers that accompany every answer, and a denial as an HTTP status.

`RateLimit-Policy` and `RateLimit` follow the IETF's draft: for each limit a quantity and a window, and what is left of
it for how many seconds. Their numbers are whole, so quantities are cut; the body has them exactly. `Retry-After` is
advice: clients that were denied until the same instant are spread over some seconds after it, each always by the same.
"""

from __future__ import annotations

import zlib
from decimal import Decimal
from itertools import count
from typing import Any

from tallygate.contracts.admission.explanations import reason_page
from tallygate.contracts.base.requests import switched_on
from tallygate.domain.admission.decision import Decision, Node, Reason
from tallygate.domain.admission.sentences import sentence
from tallygate.domain.base.instants import SECOND, Instant
from tallygate.domain.catalog.tiers import Enforcement
from tallygate.http import PROBLEM, Answer, Request, problem_answer

SPREAD_SECONDS = 30
QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
_STATUS = {
    Reason.RATE_LIMITED: 429,
    Reason.QUOTA_EXCEEDED: 429,
    Reason.BUDGET_EXCEEDED: 402,
    Reason.INSUFFICIENT_CREDITS: 402,
}
_FORBIDDEN = 403
INTEGER_MAX = 10**15 - 1
"""A structured field's integer has at most 15 digits; with more, a client has to drop the whole header."""


def decision_headers(decision: Decision) -> dict[str, str]:
    """The headers that accompany a decision; none of them where nothing limits."""
    limited = _limited(decision)
    headers: dict[str, str] = {}
    if limited:
        now, named = decision.numbers_as_of, [_quoted(name) for name in policy_names(limited)]
        headers["ratelimit-policy"] = ", ".join([_policy(*each) for each in zip(named, limited, strict=True)])
        headers["ratelimit"] = ", ".join([_state(*each, now) for each in zip(named, limited, strict=True)])
    if decision.retry_at is not None:
        headers["retry-after"] = str(_seconds(decision.retry_at - decision.as_of) + _spread(decision))
    if decision.replayed:
        headers["idempotent-replayed"] = "true"
    return headers


def wants_status(request: Request) -> bool:
    """Whether the caller asked for denials as HTTP errors: `Prefer: http-status` or `?http_status`."""
    preferences = {part.strip().lower() for part in request.headers.get("prefer", "").split(",")}
    return "http-status" in preferences or switched_on(request.query, "http_status")


def status_of(reason: Reason) -> int:
    """The HTTP status of a denial for this reason."""
    return _STATUS.get(reason, _FORBIDDEN)


def denial_answer(decision: Decision, body: dict[str, Any], request: Request) -> Answer:
    """A denial as a problem document, with the decision in the extension `decision`."""
    status = status_of(decision.reason)
    problem = problem_answer(
        decision.reason.value,
        status,
        sentence(decision),
        trace_id=request.trace_id,
        retryable=decision.retry_at is not None,
        docs=reason_page(decision.reason),
    )
    problem["decision"] = body
    if status == 429:
        problem["type"] = QUOTA_EXCEEDED
        limited = _limited(decision)
        names = zip(policy_names(limited), limited, strict=True)
        problem["violated-policies"] = [name for name, node in names if not node.granted]
    headers = {"content-type": PROBLEM, "preference-applied": "http-status"}
    return Answer(status=status, body=problem, headers={**decision_headers(decision), **headers})


def policy_names(nodes: list[Node]) -> list[str]:
    """A name for each window, of which none is another's: the limit's for its first quota, then `limit/every`; a rate
    beside it is `limit/rate`. A number follows where that does not tell them apart."""
    names: list[str] = []
    for node in nodes:
        name = node.name if node.period is not None else f"{node.name}/{node.kind}"
        if name in names and node.period is not None:
            name = f"{node.name}/{node.period.every}"
        numbered = (name if number == 1 else f"{name}/{number}" for number in count(1))
        names.append(next(candidate for candidate in numbered if candidate not in names))
    return names


def _limited(decision: Decision) -> list[Node]:
    """The windows that deny: a polite client slows down for the limits it reads, and must not for one that observes."""
    return [n for n in decision.nodes if n.limit is not None and n.enforcement is Enforcement.HARD]


def _policy(name: str, node: Node) -> str:
    policy = f"{name};q={_whole(node.limit)}"
    # What never resets has no window.
    return policy if node.resets_at is None else f"{policy};w={max(1, (node.end - node.start) // SECOND)}"


def _state(name: str, node: Node, now: Instant) -> str:
    """What is left, and until when it is; for a limit that refuses, until it would not: Retry-After is never before."""
    until = node.resets_at if node.granted or node.retry_at is None else node.retry_at
    state = f"{name};r={_whole(node.remaining)}"
    return state if until is None else f"{state};t={_seconds(until - now)}"


def _whole(quantity: Decimal | None) -> int:
    return min(int(quantity or 0), INTEGER_MAX)


def _quoted(name: str) -> str:
    """A structured field's string: printable ASCII, anything else becomes `?`."""
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in name)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _seconds(time: Instant) -> int:
    """Whole seconds, rounded up: advice never points before the instant."""
    return max(0, -(-time // SECOND))


def _spread(decision: Decision) -> int:
    """Seconds after a quota's reset, so that all who wait for the same midnight do not come at once. They may wait for
    it by a suspension, or by the rate of a tier, which ends with the period."""
    by_quota = decision.binding is not None and decision.binding.period is not None
    ends = [node.resets_at for node in decision.nodes if node.period is not None]
    if not by_quota and decision.retry_at not in ends:
        return 0
    return zlib.crc32(decision.customer.encode()) % SPREAD_SECONDS
