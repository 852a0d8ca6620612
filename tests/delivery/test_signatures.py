"""Both signature schemes, verified by the libraries that receivers use."""

from __future__ import annotations

import json
import time

import pytest
import standardwebhooks
import stripe

from tallygate.delivery.signatures import secret_of, signed_headers
from tallygate.domain.delivery.deliveries import STANDARD, STRIPE

BODY = '{"id":"f1","type":"usage.period_closed","data":{"feature":"ai-tökens","raw":12}}'.encode()
SECRET = secret_of(bytes(range(32)))
OTHER = secret_of(bytes(range(24)))
NOW = int(time.time())


def standard(*secrets: str, timestamp: int = NOW) -> dict[str, str]:
    return signed_headers(STANDARD, secrets, message_id="f1", timestamp=timestamp, body=BODY)


def of_stripe(*secrets: str, timestamp: int = NOW) -> str:
    headers = signed_headers(STRIPE, secrets, message_id="f1", timestamp=timestamp, body=BODY)
    assert set(headers) == {"stripe-signature"}
    return headers["stripe-signature"]


def test_the_standard_scheme_is_accepted_by_the_public_library() -> None:
    assert standardwebhooks.Webhook(SECRET).verify(BODY, standard(SECRET)) == json.loads(BODY)


def test_the_standard_scheme_agrees_with_the_published_example() -> None:
    """The example of the Standard Webhooks libraries' own test suites."""
    headers = signed_headers(
        STANDARD,
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_either_of_two_secrets_verifies_while_one_replaces_the_other() -> None:
    for secret in (SECRET, OTHER):
        standardwebhooks.Webhook(secret).verify(BODY, standard(SECRET, OTHER))
        stripe.WebhookSignature.verify_header(BODY.decode(), of_stripe(SECRET, OTHER), secret, tolerance=300)


def test_stripes_scheme_is_accepted_by_stripes_library() -> None:
    event = stripe.Webhook.construct_event(BODY, of_stripe(SECRET), SECRET)
    assert event["id"] == "f1"
    assert event["data"]["raw"] == 12


@pytest.mark.parametrize("change", [BODY + b" ", BODY.replace(b"12", b"13")])
def test_a_changed_body_is_refused(change: bytes) -> None:
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(change, standard(SECRET))
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(change.decode(), of_stripe(SECRET), SECRET)


def test_another_secret_id_or_time_is_refused() -> None:
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(OTHER).verify(BODY, standard(SECRET))
    for name, value in (("webhook-id", "f2"), ("webhook-timestamp", str(NOW - 1))):
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(SECRET).verify(BODY, {**standard(SECRET), name: value})
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(BODY.decode(), of_stripe(SECRET), OTHER)
    old = of_stripe(SECRET, timestamp=NOW - 301)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(BODY.decode(), old, SECRET, tolerance=300)


@pytest.mark.parametrize("length", [0, 23, 65])
def test_a_secret_is_made_of_24_to_64_bytes(length: int) -> None:
    with pytest.raises(AssertionError):
        secret_of(bytes(length))


def test_an_id_with_a_dot_could_forge_another_message_and_is_refused() -> None:
    with pytest.raises(AssertionError):
        signed_headers(STANDARD, [SECRET], message_id="a.b", timestamp=NOW, body=BODY)
