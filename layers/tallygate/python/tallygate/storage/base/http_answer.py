"""Reads one HTTP/1.1 answer from a connection: no more than DynamoDB's answers need.

http.client parses headers as those of an e-mail, which costs more CPU than the rest of a request. This reader accepts
an answer of a stated length or in chunks. Every other answer is an error, so its request's outcome is unknown.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import NamedTuple

HEAD_BYTES_MAX = 65_536
RECEIVED_AT_ONCE = 65_536


class HttpAnswer(NamedTuple):
    """One whole answer.

    headers: by their names in lower case; of a repeated header, the last
    keeps: whether the connection may carry another request
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    keeps: bool


def read_answer(connection: socket.socket) -> HttpAnswer:
    """Return the answer that comes next. Raises OSError and ValueError if it does not arrive whole."""
    receiving = _Receiving(connection)
    first, *lines = receiving.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    status = _whole(rest[:3])
    if version not in ("HTTP/1.1", "HTTP/1.0") or rest[3:4] not in ("", " ") or status < 200:
        raise ValueError("this is no final answer")
    headers = {name.lower(): value.strip() for name, _, value in [line.partition(":") for line in lines]}
    if "transfer-encoding" not in headers:
        content = receiving.exactly(_whole(headers.get("content-length", "")))
    elif headers["transfer-encoding"].lower() == "chunked":
        content = _chunks(receiving)
    else:
        raise ValueError("the answer has an unknown encoding")
    # Bytes beyond the answer belong to no request.
    keeps = version == "HTTP/1.1" and "close" not in headers.get("connection", "").lower() and not receiving.rest
    return HttpAnswer(status, headers, content, keeps)


def _chunks(receiving: _Receiving) -> bytes:
    chunks: list[bytes] = []
    while size := _whole(receiving.until(b"\r\n").partition(b";")[0].strip().decode("latin-1"), 16):
        chunks.append(receiving.exactly(size))
        if receiving.exactly(2) != b"\r\n":
            raise ValueError("a chunk is longer than it says")
    while receiving.until(b"\r\n"):
        pass  # headers after the content
    return b"".join(chunks)


def _whole(text: str, base: int = 10) -> int:
    """Return a number without sign, space or separator."""
    if not (text.isascii() and text.isalnum()):
        raise ValueError("a length or status is no number")
    return int(text, base)


class _Receiving:
    """The bytes of a connection. `rest`: those received and not yet taken."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.rest = bytearray()

    def until(self, end: bytes) -> bytes:
        """Take the bytes before an end, and drop the end."""
        while (at := self.rest.find(end)) < 0:
            if len(self.rest) > HEAD_BYTES_MAX:
                raise ValueError("the head is too long")
            self._receive()
        found = bytes(self.rest[:at])
        del self.rest[: at + len(end)]
        return found

    def exactly(self, length: int) -> bytes:
        while len(self.rest) < length:
            self._receive()
        found = bytes(self.rest[:length])
        del self.rest[:length]
        return found

    def _receive(self) -> None:
        received = self._connection.recv(RECEIVED_AT_ONCE)
        if not received:
            raise ValueError("the connection ended before the answer")
        self.rest += received
