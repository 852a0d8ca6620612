"""The small client's connections: what counts as sent, what is replaced before it is used, and who may answer."""

from __future__ import annotations

import datetime
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench.engine import Dynoxide, free_port, small_client
from tallygate.errors import OutcomeUnknown, StoreUnavailable, TallygateError
from tallygate.storage.base import client as base_client
from tallygate.storage.base import dynamo
from tallygate.storage.base.client import Endpoint, HttpClient, endpoint_of
from tallygate.storage.base.dynamo import TRIES_MAX, DynamoEngine
from tallygate.storage.base.engine import Engine, Key, Put, Update
from tallygate.storage.base.expressions import Increase
from tallygate.storage.base.signing import Credentials
from tests.storage.database import Act, Database, answered, closed, raw, refused, reset, sent, silent, unread

PUT = Put(key=Key("P", "a"), item={})
OK = answered({})
HALF = raw(200, b'{"Attributes": {}}')[:-5]


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_795_168_800.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall() -> Time:
    return Time()


Make = Callable[..., HttpClient]


@pytest.fixture
def client(wall: Time) -> Iterator[Make]:
    """Makes clients, and closes them at the end of the test."""
    made = []

    def make(url: str, **more: Any) -> HttpClient:
        endpoint = endpoint_of(url)
        assert endpoint is not None
        credentials = Credentials("key", "secret")
        made.append(HttpClient(endpoint, "us-east-1", lambda: credentials, now=wall, read_timeout=0.2, **more))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamo, "BACKOFF_SECONDS", 0)


def failure(engine: Engine, *, repeatable: bool = False) -> type[TallygateError]:
    with pytest.raises(TallygateError) as raised:
        engine.write(PUT, repeatable=repeatable)
    return type(raised.value)


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
BAD: dict[str, Act] = {
    "closed": closed,
    "reset": reset,
    "silent": silent,
    "half an answer": sent(HALF),
    "half a head": sent(b"HTTP/1.1 200 OK\r\ncontent-le"),
    "no HTTP": sent(b"\x00\x01\x02 nothing\r\n\r\n"),
    "TLS instead": sent(b"\x15\x03\x01\x00\x02\x02F"),
    "a status that is no number": sent(b"HTTP/1.1 OK\r\n\r\n"),
    "a head without end": sent(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n"),
    "a length that is none": sent(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n{"),
    "half a chunk": sent(CHUNKED + b"ff\r\n{}"),
    "chunks without end": sent(CHUNKED + b"2\r\n{}\r\n"),
    "chunks without a last line": sent(CHUNKED + b"2\r\n{}\r\n0\r\n"),
    "a longer chunk than it says": sent(CHUNKED + b"2\r\n{}}\r\n0\r\n\r\n"),
    "a chunk of a negative length": sent(CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n"),
    "another encoding": sent(b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}"),
    "a negative length": sent(b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n{}"),
    "no length": sent(b"HTTP/1.1 200 OK\r\n\r\n{}"),
    "an answer before the answer": sent(b"HTTP/1.1 100 Continue\r\ncontent-length: 2\r\n\r\n{}"),
    "another protocol": sent(b"HTTP/2 200 OK\r\ncontent-length: 2\r\n\r\n{}"),
    "a head of any length": sent(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 40_000 + b"content-length: 2\r\n\r\n{}"),
    "another checksum": answered({"Attributes": {}}, x_amz_crc32="1"),
    "a refusal with another checksum": answered({"__type": "ThrottlingException"}, 400, x_amz_crc32="1"),
}


@pytest.mark.parametrize("act", BAD.values(), ids=BAD)
def test_what_was_sent_and_not_answered_is_unknown_and_not_sent_again(act: Act, client: Make) -> None:
    with Database(act) as database:
        assert failure(DynamoEngine(client(database.url), "t")) is OutcomeUnknown
        assert len(database.requests) == 1


@pytest.mark.parametrize("act", BAD.values(), ids=BAD)
def test_what_may_be_repeated_is_sent_once_more_on_another_connection(act: Act, client: Make) -> None:
    with Database(act, OK) as database:
        DynamoEngine(client(database.url), "t").write(PUT, repeatable=True)
        assert len(database.requests) == 2
    with Database(act) as database:
        assert failure(DynamoEngine(client(database.url), "t"), repeatable=True) is OutcomeUnknown
        assert len(database.requests) == 2


def test_a_request_that_nobody_read_is_unknown_too(client: Make) -> None:
    """The first bytes were sent: whether they were read, this side cannot know."""
    with Database(unread, OK) as database:
        assert failure(DynamoEngine(client(database.url), "t")) is OutcomeUnknown
        assert (database.connections, database.requests) == (1, [])


def test_a_bad_answer_on_a_kept_connection_is_unknown_too(client: Make) -> None:
    with Database(OK, closed, OK) as database:
        engine = DynamoEngine(client(database.url), "t")
        engine.write(PUT)
        assert failure(engine) is OutcomeUnknown
        engine.write(PUT)
        assert (database.connections, len(database.requests)) == (2, 3)


def test_without_a_connection_nothing_was_sent_and_the_request_may_be_repeated(client: Make) -> None:
    port = free_port()
    engine = DynamoEngine(client(f"http://127.0.0.1:{port}"), "t")
    assert failure(engine) is StoreUnavailable
    assert failure(DynamoEngine(client("http://no-such-host.invalid"), "t")) is StoreUnavailable
    with Database(OK, port=port) as database:
        engine.write(PUT)
        assert len(database.requests) == 1


def test_a_connection_is_kept(client: Make) -> None:
    with Database(OK) as database:
        engine = DynamoEngine(client(database.url), "t")
        for _ in range(5):
            engine.write(PUT)
        assert (database.connections, len(database.requests)) == (1, 5)


IN_PIECES: dict[str, bytes] = {
    "chunks": CHUNKED + b'8;x=y\r\n{"Attrib\r\nA\r\nutes": {} \r\n01\r\n}\r\n0\r\n\r\n',
    "headers after the chunks": CHUNKED + b'13\r\n{"Attributes": {} }\r\n0\r\nx: y\r\nz: a\r\n\r\n',
    "a length in capitals": b'HTTP/1.1 200 OK\r\nContent-Length:  17 \r\n\r\n{"Attributes":{}}',
    "no words behind the status": b'HTTP/1.1 200\r\ncontent-length:17\r\n\r\n{"Attributes":{}}',
}


@pytest.mark.parametrize("answer", IN_PIECES.values(), ids=IN_PIECES)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_answer_may_arrive_in_pieces(answer: bytes, size: int, client: Make) -> None:
    def slowly(connection: socket.socket) -> bool:
        for at in range(0, len(answer), size):
            connection.sendall(answer[at : at + size])
        return True

    with Database(slowly) as database:
        engine = DynamoEngine(client(database.url), "t")
        for _ in range(3):
            engine.write(PUT)
        assert (database.connections, len(database.requests)) == (1, 3)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}", raw(200, b"{}") + b"H", raw(200, b"{}", connection="Close")],
    ids=["old protocol", "more than the answer", "closing"],
)
def test_a_connection_that_may_not_be_kept_is_not(answer: bytes, client: Make) -> None:
    def act(connection: socket.socket) -> bool:
        connection.sendall(answer)
        return True

    with Database(act) as database:
        engine = DynamoEngine(client(database.url), "t")
        for _ in range(2):
            engine.write(PUT)
        assert (database.connections, len(database.requests)) == (2, 2)


def test_a_connection_that_the_answer_ends_is_not_used_again(client: Make) -> None:
    with Database(answered({}, connection="close")) as database:
        engine = DynamoEngine(client(database.url), "t")
        for _ in range(3):
            engine.write(PUT)
        assert (database.connections, len(database.requests)) == (3, 3)


def test_a_connection_that_was_closed_while_idle_is_replaced_and_nothing_is_unknown(client: Make) -> None:
    with Database(OK) as database:
        engine = DynamoEngine(client(database.url), "t")
        for _ in range(3):
            engine.write(PUT)
            database.hang_up()
        assert (database.connections, len(database.requests)) == (3, 3)


def test_bytes_that_nobody_asked_for_are_never_an_answer(client: Make) -> None:
    with Database(OK) as database:
        engine = DynamoEngine(client(database.url), "t")
        engine.write(PUT)
        database.push(raw(400, b'{"__type": "ConditionalCheckFailedException"}'))
        time.sleep(0.02)  # until they have arrived
        engine.write(PUT)
        assert (database.connections, len(database.requests)) == (2, 2)


@pytest.mark.parametrize(("idle", "connections"), [(14.9, 1), (15, 2), (3600, 2), (-14.9, 1), (-3600, 2)])
def test_a_connection_that_was_idle_for_long_is_replaced(
    idle: float, connections: int, client: Make, wall: Time
) -> None:
    """Also by a clock that was set back."""
    with Database(OK) as database:
        engine = DynamoEngine(client(database.url), "t")
        engine.write(PUT)
        wall.now += idle
        engine.write(PUT)
        assert (database.connections, len(database.requests)) == (connections, 2)


def test_an_interrupted_request_leaves_no_connection_behind(client: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer could be taken for that of the next request."""
    with Database(OK) as database:
        made = client(database.url)
        engine = DynamoEngine(made, "t")
        with monkeypatch.context() as broken:
            broken.setattr(base_client, "read_answer", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                engine.write(PUT)
        engine.write(PUT)
        assert database.connections == 2


def test_threads_share_a_client_and_no_connection(dynoxide: Dynoxide, table: str) -> None:
    made = small_client(dynoxide.url)
    engine = DynamoEngine(made, table)
    with ThreadPoolExecutor(16) as pool:
        list(
            pool.map(lambda n: engine.write(Update(key=Key("P", str(n % 3)), changes=(Increase("n", 1),))), range(400))
        )
    assert sum(item["n"] for item in engine.query("P", consistent=True).items) == 400  # type: ignore[misc]
    assert 1 <= len(made._idle) <= 16


SKEWED = "Mon, 22 Nov 2100 10:00:00 GMT"


@pytest.mark.parametrize("code", ["RequestTimeTooSkewed", "InvalidSignatureException", "RequestExpired"])
def test_a_wrong_clock_is_corrected_by_the_server_s_and_the_request_sent_once_more(code: str, client: Make) -> None:
    with Database(refused(code, 400, date=SKEWED), OK) as database:
        engine = DynamoEngine(client(database.url), "t")
        engine.write(PUT)
        engine.write(PUT)
        dates = [request.headers["x-amz-date"] for request in database.requests]
        assert dates == ["20261120T100000Z", "21001122T100000Z", "21001122T100000Z"]


@pytest.mark.parametrize(
    ("act", "requests"),
    [
        (refused("RequestTimeTooSkewed", 400, date=SKEWED), 2),
        (refused("InvalidSignatureException", 400, date="Fri, 20 Nov 2026 10:00:30 GMT"), 1),
        (refused("InvalidSignatureException", 400, date="no date"), 1),
        (refused("InvalidSignatureException"), 1),
        (refused("ValidationException", 400, date=SKEWED), 1),
    ],
    ids=["still refused", "right clock", "no date", "none", "another refusal"],
)
def test_a_refusal_that_the_clock_does_not_explain_stays_one(act: Act, requests: int, client: Make) -> None:
    with Database(act) as database:
        engine = DynamoEngine(client(database.url), "t")
        assert failure(engine).code == "invariant_broken"
        assert len(database.requests) == requests


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate that is its own authority, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return path, context


@pytest.mark.parametrize(
    ("name", "trusted", "reached"), [("localhost", False, False), ("elsewhere", True, False), ("localhost", True, True)]
)
def test_only_the_endpoint_itself_may_answer(
    name: str, trusted: bool, reached: bool, client: Make, tmp_path: Path
) -> None:
    path, context = certificate(tmp_path, name)
    with Database(OK, tls=context) as database:
        made = client(f"https://localhost:{database.port}")
        if trusted:
            made.tls.load_verify_locations(path)
        engine = DynamoEngine(made, "t")
        if reached:
            for _ in range(3):
                engine.write(PUT)
            assert (database.connections, len(database.requests)) == (1, 3)
        else:
            assert failure(engine) is StoreUnavailable
            assert (database.connections, database.requests) == (TRIES_MAX, [])


def test_tls_that_is_closed_while_idle_is_noticed(client: Make, tmp_path: Path) -> None:
    path, context = certificate(tmp_path, "localhost")
    with Database(OK, tls=context) as database:
        made = client(f"https://localhost:{database.port}")
        made.tls.load_verify_locations(path)
        engine = DynamoEngine(made, "t")
        engine.write(PUT)
        database.hang_up()
        engine.write(PUT)
        assert (database.connections, len(database.requests)) == (2, 2)


def test_who_speaks_no_tls_gets_no_request(client: Make) -> None:
    with Database(OK) as database:
        assert failure(DynamoEngine(client(f"https://localhost:{database.port}"), "t")) is StoreUnavailable
        assert database.requests == []


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://dynamodb.eu-west-1.amazonaws.com", Endpoint(True, "dynamodb.eu-west-1.amazonaws.com", 443)),
        ("http://127.0.0.1:8000/", Endpoint(False, "127.0.0.1", 8000)),
        ("HTTP://LocalHost", Endpoint(False, "localhost", 80)),
        ("http://host/path", None),
        ("http://user@host", None),
        ("http://[::1]:8000", None),
        ("ftp://host", None),
        ("http://host:8000\r\nx: y", None),
        ("", None),
    ],
)
def test_an_endpoint_is_a_scheme_a_host_and_a_port(url: str, endpoint: Endpoint | None) -> None:
    assert endpoint_of(url) == endpoint
