"""Errors on the wire: problem documents (RFC 9457), and the bodies with which API Gateway itself refuses a request."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tallygate.contracts.base.bodies import AnswerBody

Uri = Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]


class BrokenRule(AnswerBody):
    """One rule that the request breaks.

    pointer: JSON pointer of a field of the body; ?name of a query parameter, {name} of a path parameter, !name of a
        header
    code: stable name of the rule
    detail: the rule, with a right value or the name that may have been meant
    """

    pointer: str
    code: str
    detail: str


class Problem(AnswerBody):
    """RFC 9457 problem details.

    type: URI of the kind of problem
    title: the code in words
    status: HTTP status
    detail: what is wrong, as a sentence
    code: stable name of the problem
    errors: every broken rule with its field
    trace_id: finds the request in the logs
    retryable: whether the same request may succeed later, and repeating it is harmless
    docs: page that explains the code
    """

    type: Uri
    title: str
    status: int
    detail: str
    code: str
    errors: list[BrokenRule]
    trace_id: str
    retryable: bool
    docs: Uri


class GatewayMessage(AnswerBody):
    """The body with which API Gateway refuses a request before any function sees it.

    message: the reason in words
    """

    message: str | None
