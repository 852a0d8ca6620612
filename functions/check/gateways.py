"""Decisions for API gateways: rate-limit headers with every answer, and denials as HTTP status codes.

`RateLimit-Policy` and `RateLimit` follow the IETF draft. For each limit they state a quantity, a window in seconds, the
remaining quantity and the seconds until it resets. Header numbers are integers, so quantities are truncated; the body
has the exact values.

`Retry-After` is advice. Clients denied until the same instant are spread over some seconds after that instant. One
customer always gets the same offset.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from itertools import count
from typing import Any

from tallygate.contracts.admission.check import reason_page
from tallygate.contracts.base.requests import switched_on
from tallygate.domain.admission.decision import Decision, LimitState, Reason
from tallygate.domain.admission.sentences import sentence
from tallygate.domain.base.instants import SECOND, Instant
from tallygate.domain.catalog.tiers import Enforcement
from tallygate.http import Answer, Request
from tallygate.problems import PROBLEM, problem_answer

SPREAD_SECONDS = 30
NAMES_REMEMBERED = 4_096
QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
_STATUS = {
    Reason.RATE_LIMITED: 429,
    Reason.QUOTA_EXCEEDED: 429,
    Reason.BUDGET_EXCEEDED: 402,
    Reason.INSUFFICIENT_CREDITS: 402,
}
_FORBIDDEN = 403
INTEGER_MAX = 10**15 - 1
"""An integer in a structured field has at most 15 digits. A client must drop the whole header if a number has more."""


def decision_headers(decision: Decision) -> dict[str, str]:
    """Return the headers of a decision. There are no rate-limit headers where no hard limit applies."""
    limited = _limited(decision)
    headers: dict[str, str] = {}
    if limited:
        named, now = zip(policy_names(limited), limited, strict=True), decision.numbers_as_of
        items = [_items(_quoted(name), state, now) for name, state in named]
        headers["ratelimit-policy"] = ", ".join([policy for policy, _ in items])
        headers["ratelimit"] = ", ".join([left for _, left in items])
    if decision.retry_at is not None:
        headers["retry-after"] = str(_seconds(decision.retry_at - decision.as_of) + _spread(decision))
    if decision.replayed:
        headers["idempotent-replayed"] = "true"
    return headers


def wants_status(request: Request) -> bool:
    """Return whether the caller wants denials as HTTP errors: `Prefer: http-status` or `?http_status`."""
    preferences = {part.strip().lower() for part in request.headers.get("prefer", "").split(",")}
    return "http-status" in preferences or switched_on(request.query, "http_status")


def status_of(reason: Reason) -> int:
    """Return the HTTP status of a denial with this reason."""
    return _STATUS.get(reason, _FORBIDDEN)


def denial_answer(decision: Decision, body: dict[str, Any], request: Request) -> Answer:
    """Return a denial as a problem document. The extension `decision` holds the decision."""
    status = status_of(decision.reason)
    problem = problem_answer(
        decision.reason.value,
        status,
        sentence(decision),
        trace_id=request.trace_id,
        retryable=decision.retry_at is not None,
        docs=request.page(reason_page(decision.reason)),
    )
    problem["decision"] = body
    if status == 429:
        problem["type"] = QUOTA_EXCEEDED
        limited = _limited(decision)
        names = zip(policy_names(limited), limited, strict=True)
        problem["violated-policies"] = [name for name, state in names if not state.granted]
    headers = {"content-type": PROBLEM, "preference-applied": "http-status"}
    return Answer(status=status, body=problem, headers={**decision_headers(decision), **headers})


def policy_names(limits: list[LimitState]) -> list[str]:
    """Return a unique name for each window.

    <limit>          the limit's first quota
    <limit>/<every>  its further quotas
    <limit>/rate     a rate
    <name>/<number>  where two names would be equal
    """
    names: list[str] = []
    for state in limits:
        name = state.name if state.period is not None else f"{state.name}/{state.kind}"
        if name in names and state.period is not None:
            name = f"{state.name}/{state.period.every}"
        if name in names:
            name = next(numbered for number in count(2) if (numbered := f"{name}/{number}") not in names)
        names.append(name)
    return names


def _limited(decision: Decision) -> list[LimitState]:
    """Return the windows of hard limits.

    Polite clients slow down for every limit in the headers, and must not slow down for one that only observes.
    """
    return [n for n in decision.limits if n.limit is not None and n.enforcement is Enforcement.HARD]


def _items(name: str, state: LimitState, now: Instant) -> tuple[str, str]:
    """Return a window's policy, and its state: the remaining quantity and the seconds until it resets.

    For a window that denies, the seconds run until a retry could be granted, so `Retry-After` is never earlier.
    """
    policy = f"{name};q={min(int(state.limit or 0), INTEGER_MAX)}"
    if state.resets_at is not None:
        # A window that never resets has no length.
        policy += f";w={max(1, (state.end - state.start) // SECOND)}"
    left, until = f"{name};r={min(int(state.remaining or 0), INTEGER_MAX)}", state.resets_at
    if not state.granted and state.retry_at is not None:
        until = state.retry_at
    return policy, left if until is None else f"{left};t={_seconds(until - now)}"


@lru_cache(maxsize=NAMES_REMEMBERED)
def _quoted(name: str) -> str:
    """Return a structured field's string. Characters outside printable ASCII become `?`."""
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in name)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _seconds(time: Instant) -> int:
    """Return whole seconds, rounded up, so that advice never points before the instant."""
    return max(0, -(-time // SECOND))


def _spread(decision: Decision) -> int:
    """Return extra seconds for `Retry-After`, so that clients waiting for the same midnight do not all return at once.

    A client also waits for a quota's reset while it is suspended until then, or denied by a tier's rate, which ends
    with the period.
    """
    by_quota = decision.denied_by is not None and decision.denied_by.period is not None
    ends = [state.resets_at for state in decision.limits if state.period is not None]
    if not by_quota and decision.retry_at not in ends:
        return 0
    return zlib.crc32(decision.customer.encode()) % SPREAD_SECONDS
