"""One attempt at a webhook, against real receivers on loopback; and what statuses and Retry-After mean."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tallygate.delivery.webhook import Sender, retry_after_of, verdict_of
from tallygate.domain.delivery.deliveries import AttemptOutcome, Verdict
from tests.delivery.receiver import answering, hanging, receiving, sending, trickling

BODY = b'{"id":"f1"}'
HEADERS = {"content-type": "application/json", "webhook-id": "f1"}
WALL = 1_800_000_000_000
SHORT = 0.4
SLACK = 1.5
"""How much longer than its deadline an attempt may take on a busy machine; far less than any receiver here would."""


def post(url: str, *, allow_private: bool = True, seconds: float = 10.0, resolve: object = None) -> AttemptOutcome:
    sender = Sender(allow_private=allow_private, deadline_seconds=seconds, resolve=resolve)  # type: ignore[arg-type]
    return sender.post(url, HEADERS, BODY, wall=WALL)


def test_a_2xx_answer_is_a_delivery_and_the_request_arrives_as_it_was_signed() -> None:
    with receiving(answering(204)) as receiver:
        outcome = post(receiver.url)
    assert (outcome.verdict, outcome.status) == (Verdict.DELIVERED, 204)
    (arrived,) = receiver.received
    assert arrived.line == "POST /hooks?team=a HTTP/1.1"
    assert arrived.body == BODY
    assert arrived.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert arrived.headers["content-length"] == str(len(BODY))
    assert {name: arrived.headers[name] for name in HEADERS} == HEADERS


def test_a_500_is_a_failure_that_is_tried_again() -> None:
    with receiving(answering(500, "retry-after: 60", body=b"oops")) as receiver:
        outcome = post(receiver.url)
    assert (outcome.verdict, outcome.status, outcome.retry_after) == (Verdict.FAILED, 500, None)


def test_a_redirect_is_not_followed() -> None:
    with receiving(answering(200)) as other, receiving(answering(302, f"location: {other.url}")) as receiver:
        outcome = post(receiver.url)
        assert (outcome.verdict, outcome.status) == (Verdict.FAILED, 302)
        assert other.received == []


def test_gone_is_for_good() -> None:
    with receiving(answering(410)) as receiver:
        assert post(receiver.url).verdict is Verdict.GONE


def test_a_receiver_that_hangs_is_cut_at_the_deadline() -> None:
    with receiving(hanging) as receiver:
        began = time.monotonic()
        outcome = post(receiver.url, seconds=SHORT)
        assert time.monotonic() - began < SHORT + SLACK
    assert outcome.verdict is Verdict.FAILED
    assert outcome.detail.startswith("timeout")
    assert outcome.took >= SHORT * 1000 - 50


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 " + b"O" * 1_000,
        b"HTTP/1.1 200 OK\r\nx-long: " + b"y" * 1_000,
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
    ],
)
def test_a_receiver_that_trickles_its_answer_is_cut_at_the_deadline(text: bytes) -> None:
    with receiving(trickling(text)) as receiver:
        began = time.monotonic()
        outcome = post(receiver.url, seconds=SHORT)
        assert time.monotonic() - began < SHORT + SLACK
    assert outcome.verdict is Verdict.FAILED
    assert outcome.detail.startswith("timeout")


def test_a_trickled_or_endless_body_decides_nothing_once_the_status_has_come() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"
    for behaviour in (sending(head + b"x" * 1_000_000), trickling(head + b"x" * 10_000, every=0.005)):
        with receiving(behaviour) as receiver:
            began = time.monotonic()
            assert post(receiver.url, seconds=5.0).verdict is Verdict.DELIVERED
            assert time.monotonic() - began < 5.0


def test_one_that_hangs_does_not_delay_another() -> None:
    with receiving(hanging) as slow, receiving(answering(200)) as quick:
        waiting = threading.Thread(target=post, args=(slow.url,), kwargs={"seconds": 3.0})
        waiting.start()
        began = time.monotonic()
        assert post(quick.url).verdict is Verdict.DELIVERED
        assert time.monotonic() - began < 2.0
        assert waiting.is_alive()
        slow.stopped.set()
        waiting.join()


@pytest.mark.parametrize(
    "text", [b"", b"HTTP/1.1", b"nonsense\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200]
)
def test_whatever_else_a_receiver_says_is_a_failure_and_never_an_error(text: bytes) -> None:
    with receiving(sending(text)) as receiver:
        outcome = post(receiver.url)
    assert outcome.verdict is Verdict.FAILED
    assert outcome.detail


def test_a_refused_connection_and_an_unknown_name_are_failures() -> None:
    with receiving(answering(200)) as receiver:
        url = receiver.url
    assert post(url).detail.startswith("connect: ")

    def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    assert post("https://receiver.example/", resolve=unknown).detail == "name: OSError: no such name"


def test_a_name_that_takes_too_long_to_look_up_is_cut_at_the_deadline() -> None:
    released = threading.Event()

    def slow(host: str, port: int) -> Sequence[str]:
        released.wait(30)
        return ("1.1.1.1",)

    began = time.monotonic()
    outcome = post("https://receiver.example/", seconds=SHORT, resolve=slow)
    assert time.monotonic() - began < SHORT + SLACK
    released.set()
    assert outcome.detail == "timeout: the name was not resolved in time"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://receiver.example/", "url: only https is allowed"),
        ("ftp://receiver.example/", "url: it is not an absolute http(s) URL"),
        ("https:///path", "url: it is not an absolute http(s) URL"),
        ("https://receiver.example:99999/", "url: it cannot be read"),
        ("https://127.0.0.1/", "address: the host has no address that webhooks may be sent to"),
        ("https://[::ffff:169.254.169.254]/", "address: the host has no address that webhooks may be sent to"),
        ("https://2130706433/", "address: the host has no address that webhooks may be sent to"),
    ],
)
def test_what_must_not_be_called_is_not(url: str, why: str) -> None:
    assert post(url, allow_private=False).detail == why


def test_a_name_that_resolves_to_a_private_address_is_refused_and_the_examined_address_is_the_one_called() -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ("10.0.0.1", "169.254.169.254") if len(asked) == 1 else ("127.0.0.1",)

    refused = post("https://receiver.example/", allow_private=False, resolve=rebinding)
    assert refused.detail == "address: the host has no address that webhooks may be sent to"
    with receiving(answering(200)) as receiver:
        named = receiver.url.replace("127.0.0.1", "receiver.example")
        assert post(named, resolve=rebinding).verdict is Verdict.DELIVERED
    assert receiver.received[0].headers["host"] == f"receiver.example:{receiver.port}"
    assert asked == ["receiver.example"] * 2


def test_a_host_with_many_addresses_that_have_no_route_is_reached_by_the_others() -> None:
    def many(host: str, port: int) -> Sequence[str]:
        return ("::1", "::1", "::1", "::1", "127.0.0.1")

    with receiving(answering(200)) as receiver:
        named = receiver.url.replace("127.0.0.1", "receiver.example")
        assert post(named, resolve=many).verdict is Verdict.DELIVERED


def test_metadata_services_are_out_of_reach_even_where_private_receivers_are_allowed() -> None:
    outcome = post("http://169.254.169.254/latest/meta-data/")
    assert outcome.detail == "address: the host has no address that webhooks may be sent to"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a self-signed certificate of receiver.example, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver.example")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("receiver.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + signed.public_bytes(serialization.Encoding.PEM)
    path = tmp_path_factory.mktemp("tls") / "receiver.pem"
    path.write_bytes(pem)
    return path


@pytest.mark.parametrize(
    ("host", "trusted", "detail"),
    [
        ("receiver.example", True, ""),
        ("receiver.example", False, "tls: SSLCertVerificationError: "),
        ("another.example", True, "tls: SSLCertVerificationError: "),
    ],
)
def test_tls_is_verified_against_the_authorities_and_the_name(
    certificate: Path, host: str, trusted: bool, detail: str
) -> None:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)
    verifying = ssl.create_default_context(cafile=certificate if trusted else None)
    sender = Sender(allow_private=True, resolve=lambda _host, _port: ("127.0.0.1",), tls=lambda: verifying)
    with receiving(answering(200), tls=serving) as receiver:
        outcome = sender.post(f"https://{host}:{receiver.port}/", HEADERS, BODY, wall=WALL)
    assert outcome.verdict is (Verdict.FAILED if detail else Verdict.DELIVERED)
    assert outcome.detail.startswith(detail)
    assert len(receiver.received) == (0 if detail else 1)


@pytest.mark.parametrize(
    ("status", "header", "verdict", "retry_after"),
    [
        (200, None, Verdict.DELIVERED, None),
        (299, "5", Verdict.DELIVERED, None),
        (199, None, Verdict.FAILED, None),
        (301, "5", Verdict.FAILED, None),
        (400, "5", Verdict.FAILED, None),
        (404, None, Verdict.FAILED, None),
        (410, "5", Verdict.GONE, None),
        (429, "7", Verdict.FAILED, 7_000),
        (429, None, Verdict.FAILED, None),
        (500, "5", Verdict.FAILED, None),
        (502, None, Verdict.FAILED, None),
        (503, "120", Verdict.FAILED, 120_000),
        (504, None, Verdict.FAILED, None),
    ],
)
def test_what_each_status_means(status: int, header: str | None, verdict: Verdict, retry_after: int | None) -> None:
    outcome = verdict_of(status, header, WALL)
    assert (outcome.verdict, outcome.status, outcome.retry_after) == (verdict, status, retry_after)


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        ("0", 0),
        (" 30 ", 30_000),
        ("Fri, 15 Jan 2027 08:01:00 GMT", 60_000),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0),
        ("Fri, 15 Jan 2027 08:01:00", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 100, None),
        ("", None),
        (None, None),
    ],
)
def test_what_retry_after_asks_for(header: str | None, asked: int | None) -> None:
    assert retry_after_of(header, WALL) == asked
