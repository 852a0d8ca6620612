"""What a client of DynamoDB says, and how it fails: the same for every client, so that one function judges it.

The kinds differ in what the database may have done. Only `Unanswered` leaves it open.
"""

from __future__ import annotations

from typing import Any, Protocol

Wire = dict[str, Any]


class Client(Protocol):
    """Sends requests in DynamoDB's JSON, each once. Repeating them is the engine's decision.

    why: why this client was chosen, for the log
    """

    why: str

    def send(self, operation: str, request: Wire) -> Wire:
        """Return the answer of an operation. Raises `Failure`.

        In a request, a binary value is bytes. In an answer, it is bytes or base64 text.
        """


class Failure(Exception):
    """The client has no answer that says what the request did."""


class Unreached(Failure):
    """No byte of the request was sent."""


class Unanswered(Failure):
    """The request was sent, at least in part, and its answer did not arrive whole."""


class Answered(Failure):
    """The database answered with an error.

    code: the error's name without its namespace; the HTTP status where it has no name
    status: the HTTP status; 0 where it is not known
    detail: the answer's body
    date: the server's time in seconds since 1970; None where the answer has none
    """

    def __init__(self, code: str, status: int, detail: Wire, date: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.detail = detail
        self.date = date

    @property
    def message(self) -> str:
        return str(self.detail.get("message") or self.detail.get("Message") or "")
