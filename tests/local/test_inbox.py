"""The local inbox believes a signature only when the schemes' own libraries would have made it."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import stripe
from standardwebhooks import Webhook

from local.inbox import Arrival, Inbox, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"type": "usage.limit_reached"}'


def standard(secret: str, at: float, body: str = BODY) -> dict[str, str]:
    signature = Webhook(secret).sign("msg_1", datetime.fromtimestamp(at, UTC), body)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(at)), "webhook-signature": signature}


def stripes(secret: str, at: float) -> dict[str, str]:
    signature = stripe.WebhookSignature._compute_signature(f"{int(at)}.{BODY}", secret)
    return {"stripe-signature": f"t={int(at)},v1={signature}"}


@pytest.mark.parametrize("sign", [standard, stripes])
def test_a_signature_made_by_the_scheme_s_own_library_is_verified(sign: Any) -> None:
    now = time.time()
    assert verify(sign(SECRET, now), BODY.encode(), ["whsec_b3RoZXI=", SECRET], now) is True


@pytest.mark.parametrize("sign", [standard, stripes])
def test_another_body_secret_or_time_is_not(sign: Any) -> None:
    now = time.time()
    headers = sign(SECRET, now)
    assert verify(headers, BODY.encode() + b" ", [SECRET], now) is False
    assert verify(headers, BODY.encode(), ["whsec_b3RoZXI="], now) is False
    assert verify(headers, BODY.encode(), [], now) is False
    assert verify(headers, BODY.encode(), [SECRET], now + 3600) is False


def test_no_signature_is_neither() -> None:
    assert verify({}, BODY.encode(), [SECRET], time.time()) is None


@pytest.fixture
def announced() -> list[Arrival]:
    return []


@pytest.fixture
def inbox(tmp_path: Path, announced: list[Arrival]) -> Iterator[Inbox]:
    opened = Inbox(0, tmp_path / "inbox.jsonl", announced.append)
    yield opened
    opened.close()


def call(method: str, url: str, content: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
    question = urllib.request.Request(url, content, headers or {}, method=method)
    with urllib.request.urlopen(question, timeout=10) as answer:
        return json.loads(answer.read())


def test_what_arrives_is_kept_shown_and_announced(inbox: Inbox, announced: list[Arrival], tmp_path: Path) -> None:
    call("PUT", f"{inbox.url}/secrets", json.dumps({"secret": SECRET}).encode())
    headers = standard(SECRET, time.time())
    for _ in range(2):
        call("POST", f"{inbox.url}/acme", BODY.encode(), headers)
    shown = call("GET", inbox.url)["data"]
    assert [(entry["id"], entry["path"], entry["verified"]) for entry in shown] == [("msg_1", "/acme", True)] * 2
    assert shown[0]["body"] == BODY
    assert len(announced) == 2
    later = Inbox(0, tmp_path / "inbox.jsonl", announced.append)
    later.close()
    assert later.arrivals() == inbox.arrivals()


def test_an_inbox_that_was_killed_while_it_wrote_opens_with_what_is_whole(
    inbox: Inbox, announced: list[Arrival], tmp_path: Path
) -> None:
    kept, secrets = tmp_path / "inbox.jsonl", tmp_path / "inbox.secrets.json"
    call("POST", f"{inbox.url}/acme", BODY.encode())
    with kept.open("a") as file:
        file.write('{"id": "msg_2", "pa')
    secrets.write_text("")
    after_the_kill = Inbox(0, kept, announced.append)
    call("POST", f"{after_the_kill.url}/after", BODY.encode())
    after_the_kill.close()
    later = Inbox(0, kept, announced.append)
    later.close()
    assert [arrival.path for arrival in later.arrivals()] == ["/acme", "/after"]


def test_the_secrets_are_for_their_owner_only(inbox: Inbox, tmp_path: Path) -> None:
    call("PUT", f"{inbox.url}/secrets", json.dumps({"secret": SECRET}).encode())
    assert (tmp_path / "inbox.secrets.json").stat().st_mode & 0o777 == 0o600
