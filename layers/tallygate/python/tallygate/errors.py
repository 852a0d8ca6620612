"""All errors, as one tree.

    TallygateError
    ├── InvalidRequest         4xx  the caller can fix the request; names the field and the broken rule
    │   ├── MalformedRequest   400
    │   ├── Unauthenticated    401
    │   ├── Forbidden          403
    │   ├── NotFound           404
    │   ├── MethodNotAllowed   405  lists the allowed methods
    │   ├── NotAcceptable      406
    │   ├── Conflict           409
    │   ├── PreconditionFailed 412
    │   └── BodyTooLarge       413
    ├── StoreUnavailable       503  transient; nothing happened, or a retry is harmless
    │   ├── Contended          503  contended: other writers won every try
    │   ├── ClockBehind        503  clock_behind: this container's clock lags behind the counter item
    │   └── OutcomeUnknown     503  outcome_unknown: the write may or may not have happened
    └── InvariantBroken        500  a promise of the system is broken; raises an alarm

A denial is not an error. It is a value (`domain.admission.decision.Decision`), because the system worked.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One rule that one field broke.

    pointer: a JSON pointer into the body, `?name` for a query parameter, `!name` for a header, `{name}` for a path
        parameter
    code: a stable machine string
    detail: the rule as a sentence
    """

    pointer: str
    code: str
    detail: str


class TallygateError(Exception):
    """Root of the tree.

    code: a stable machine string
    status: the HTTP status of the answer
    retryable: whether the same request may succeed later, and repeating it is harmless
    """

    status = 500
    code = "internal_error"
    retryable = False

    def __init__(self, detail: str, *, code: str | None = None, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        if code is not None:
            self.code = code


class InvalidRequest(TallygateError):
    status = 422
    code = "invalid_request"


class MalformedRequest(InvalidRequest):
    """The request or its body cannot be parsed."""

    status = 400
    code = "malformed_request"


class Unauthenticated(InvalidRequest):
    status = 401
    code = "unauthenticated"


class Forbidden(InvalidRequest):
    status = 403
    code = "forbidden"


class NotFound(InvalidRequest):
    status = 404
    code = "not_found"


class MethodNotAllowed(InvalidRequest):
    """The path exists, but does not allow this method."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__(f"this path allows {', '.join(allowed)}")
        self.allowed = allowed


class NotAcceptable(InvalidRequest):
    """The request's Accept header excludes every media type that the API answers with."""

    status = 406
    code = "not_available"


class Conflict(InvalidRequest):
    status = 409
    code = "conflict"


class PreconditionFailed(InvalidRequest):
    status = 412
    code = "precondition_failed"


class BodyTooLarge(InvalidRequest):
    status = 413
    code = "body_too_large"


class StoreUnavailable(TallygateError):
    status = 503
    code = "store_unavailable"
    retryable = True


class Contended(StoreUnavailable):
    code = "contended"


class ClockBehind(StoreUnavailable):
    code = "clock_behind"


class OutcomeUnknown(StoreUnavailable):
    code = "outcome_unknown"


class InvariantBroken(TallygateError):
    code = "invariant_broken"


def invalid(pointer: str, code: str, detail: str) -> InvalidRequest:
    """An InvalidRequest about one field."""
    return InvalidRequest(detail, errors=(FieldError(pointer=pointer, code=code, detail=detail),))
