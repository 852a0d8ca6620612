"""Problem documents (RFC 9457): the body of every error, the field that it is about, and the page that explains it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tallygate.contracts.base.answers import fields_of
from tallygate.errors import FieldError, TallygateError

PROBLEM = "application/problem+json"
PAGES = "docs/problems"
"""The folder with the page of each problem code, in the project."""
_ABOUT: Mapping[str, str] = {
    "already_settled": "/amount",
    "body_too_large": "",
    "clock_moves_forward": "/now",
    "customer_not_found": "customer",
    "decision_not_found": "decision_id",
    "endpoint_not_found": "endpoint",
    "feature_not_found": "feature",
    "feature_type_mismatch": "feature",
    "forbidden": "!authorization",
    "idempotency_key_reused": "!idempotency-key",
    "key_expired": "key",
    "key_not_found": "key",
    "limit_not_found": "name limit",
    "malformed_request": "",
    "meter_not_found": "meter",
    "no_active_subscription": "customer",
    "not_adjustable": "feature",
    "not_entitled": "feature",
    "other_customer": "customer",
    "precondition_failed": "!if-match",
    "scope_missing": "!authorization",
    "too_large": "",
    "too_many": "/overlap_seconds",
    "too_many_rows": "?from",
    "unauthenticated": "!authorization",
    "usage_not_followed": "/plan",
}
"""What a problem is about, where the error does not say it: a pointer, or names of which the request has one."""


def page(path: str, docs_url: str) -> str:
    """Return the link to a page of the project. Without an address of the pages it is the page's path."""
    return f"{docs_url.rstrip('/')}/{path}" if docs_url else path


def problem_answer(
    code: str,
    status: int,
    detail: str,
    *,
    trace_id: str,
    retryable: bool,
    docs: str,
    errors: Sequence[FieldError] = (),
) -> dict[str, Any]:
    """Return a problem document."""
    return {
        "type": f"urn:tallygate:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [fields_of(error, "pointer code detail") for error in errors],
        "trace_id": trace_id,
        "retryable": retryable,
        "docs": docs,
    }


def problem_of(
    error: TallygateError,
    *,
    trace_id: str,
    docs_url: str,
    path: Mapping[str, str],
    query: Mapping[str, str],
) -> dict[str, Any]:
    """Return the problem document of an error. An internal error (status 500) shows the caller only the trace id."""
    ours = error.status == 500
    return problem_answer(
        error.code,
        error.status,
        "An internal error occurred; the logs name it under the trace_id." if ours else error.detail,
        errors=error.errors or _about(error, path, query),
        trace_id=trace_id,
        retryable=error.retryable,
        docs=page(f"{PAGES}/{error.code}.md", docs_url),
    )


def _about(error: TallygateError, path: Mapping[str, str], query: Mapping[str, str]) -> tuple[FieldError, ...]:
    """Return the error as one broken rule of what it is about; nothing where no part of the request is wrong."""
    named = _ABOUT.get(error.code) if error.status < 500 else None
    if named is None:
        return ()
    return (FieldError(pointer=_pointer(named, path, query), code=error.code, detail=error.detail),)


def _pointer(named: str, path: Mapping[str, str], query: Mapping[str, str]) -> str:
    if not named or not named[0].isalpha():
        return named
    names = named.split()
    found = (*(f"{{{name}}}" for name in names if name in path), *(f"?{name}" for name in names if name in query))
    return next(iter(found), f"/{names[0]}")
