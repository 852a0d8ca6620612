"""Secrets in SSM: kept encrypted under the key that was given, read by version, remembered for a bounded time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tallygate.delivery import secrets
from tallygate.delivery.secrets import SsmKeeper, SsmReader
from tallygate.domain.delivery.deliveries import Endpoint, EndpointStatus, SigningSecret
from tallygate.errors import StoreUnavailable

PATH = "/tallygate/test/webhook-secrets"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"


class Counting:
    """An SSM client that counts what it is asked, and may refuse it."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refusal: str | None = None

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.asked.append((name, arguments))
            if self.refusal:
                raise ClientError({"Error": {"Code": self.refusal, "Message": "no"}}, name)
            return getattr(self.client, name)(**arguments)

        return call


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield Counting(boto3.client("ssm", region_name="us-east-1"))


def endpoint(*held: SigningSecret) -> Endpoint:
    return Endpoint(
        id="we_1",
        url="https://receiver.example/",
        events=("*",),
        scheme="standard",
        secrets=held,
        status=EndpointStatus.ACTIVE,
        created_at=0,
    )


def test_a_secret_is_encrypted_under_the_account_s_key_or_the_given_one(ssm: Counting) -> None:
    SsmKeeper(lambda: ssm, PATH).keep("we_1", "a", "whsec_1")
    SsmKeeper(lambda: ssm, PATH, KEY).keep("we_1", "b", "whsec_2")
    (_, first), (_, second) = ssm.asked
    assert (first["Name"], first["Type"]) == (f"{PATH}/we_1/a", "SecureString")
    assert "KeyId" not in first, "SSM's own key for the account"
    assert second["KeyId"] == KEY


def test_a_version_is_read_as_it_was_kept_whatever_was_kept_since(ssm: Counting) -> None:
    keeper, reader = SsmKeeper(lambda: ssm, PATH), SsmReader(ssm, PATH)
    assert [keeper.keep("we_1", "a", text) for text in ("whsec_1", "whsec_2")] == [1, 2]
    assert reader.texts(endpoint(SigningSecret(slot="a", version=1)), 0) == ("whsec_1",)
    assert reader.texts(endpoint(SigningSecret(slot="a", version=2)), 0) == ("whsec_2",)


def test_what_was_read_is_remembered_for_a_bounded_time(ssm: Counting) -> None:
    clock = [0.0]
    SsmKeeper(lambda: ssm, PATH).keep("we_1", "a", "whsec_1")
    reader = SsmReader(ssm, PATH, ticks=lambda: clock[0])
    held = endpoint(SigningSecret(slot="a", version=1))
    ssm.asked.clear()
    for moment in (0.0, 1.0, secrets.REMEMBERED_SECONDS - 1):
        clock[0] = moment
        assert reader.texts(held, 0) == ("whsec_1",)
    assert len(ssm.asked) == 1
    clock[0] = secrets.REMEMBERED_SECONDS
    SsmKeeper(lambda: ssm, PATH).remove("we_1")
    assert reader.texts(held, 0) == (), "a secret that was removed is forgotten"


def test_only_so_many_are_remembered(ssm: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "REMEMBERED_MAX", 2)
    keeper, reader = SsmKeeper(lambda: ssm, PATH), SsmReader(ssm, PATH)
    for version in (1, 2, 3):
        keeper.keep("we_1", "a", f"whsec_{version}")
        reader.texts(endpoint(SigningSecret(slot="a", version=version)), 0)
    assert len(reader._known) == 2


def test_what_is_not_there_is_left_out_and_what_fails_is_tried_again(ssm: Counting) -> None:
    reader = SsmReader(ssm, PATH)
    missing = endpoint(SigningSecret(slot="a", version=1))
    assert reader.texts(missing, 0) == ()
    SsmKeeper(lambda: ssm, PATH).keep("we_1", "a", "whsec_1")
    assert reader.texts(endpoint(SigningSecret(slot="a", version=7)), 0) == ()
    ssm.refusal = "AccessDeniedException"
    for ask in (
        lambda: reader.texts(missing, 0),
        lambda: SsmKeeper(lambda: ssm, PATH).keep("we_1", "a", "whsec_hidden"),
        lambda: SsmKeeper(lambda: ssm, PATH).remove("we_1"),
    ):
        with pytest.raises(StoreUnavailable, match="AccessDeniedException") as raised:
            ask()
        assert "whsec_hidden" not in str(raised.value)


def test_removing_takes_both_slots_and_may_be_repeated(ssm: Counting) -> None:
    keeper = SsmKeeper(lambda: ssm, PATH)
    for slot in ("a", "b"):
        keeper.keep("we_1", slot, "whsec_1")
    keeper.remove("we_1")
    keeper.remove("we_1")
    assert ssm.client.describe_parameters()["Parameters"] == []


def test_the_client_is_made_when_it_is_first_needed(ssm: Counting) -> None:
    made: list[int] = []

    def make() -> Counting:
        made.append(1)
        return ssm

    keeper = SsmKeeper(make, PATH)
    assert made == [], "most calls of manage need none"
    keeper.keep("we_1", "a", "whsec_1")
    keeper.remove("we_1")
    assert made == [1]
