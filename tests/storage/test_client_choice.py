"""Which client an environment gets, with which credentials and endpoint: never another request than boto3's."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES

from bench.functions import FUNCTIONS, environment
from tallygate.errors import StoreUnavailable
from tallygate.storage.base.boto import BotoClient
from tallygate.storage.base.client import HttpClient, endpoint_of
from tallygate.storage.base.connect import boto3_because, client_for, endpoint_url
from tallygate.storage.base.dynamo import DynamoEngine
from tallygate.storage.base.engine import Key
from tallygate.storage.base.failures import Unreached
from tallygate.storage.base.signing import REFRESH_SECONDS, ContainerCredentials, Credentials, EnvironmentCredentials
from tests.storage.database import Database, answered

LAMBDA = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
    "AWS_ACCESS_KEY": "key",
    "AWS_SECRET_KEY": "secret",
    "AWS_REGION": "eu-west-3",
    "AWS_DEFAULT_REGION": "eu-west-3",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
    "AWS_LAMBDA_FUNCTION_NAME": "check",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_LAMBDA_LOG_GROUP_NAME": "g",
    "AWS_LAMBDA_LOG_STREAM_NAME": "s",
    "AWS_LAMBDA_LOG_FORMAT": "JSON",
    "AWS_LAMBDA_LOG_LEVEL": "INFO",
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
    "_AWS_XRAY_DAEMON_PORT": "2000",
    "_X_AMZN_TRACE_ID": "Root=1",
    "LD_LIBRARY_PATH": "/var/lang/lib",
    "NO_PROXY": "*",
    "TZ": ":UTC",
    "TABLE_NAME": "t",
}
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY", "AWS_SECRET_KEY")
SNAPSTART = {
    **{name: value for name, value in LAMBDA.items() if name not in KEYS},
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9001/credentials",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "t",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
}


@pytest.mark.parametrize("given", [LAMBDA, SNAPSTART], ids=["Lambda", "SnapStart"])
def test_lambda_s_own_environment_gets_the_small_client(given: dict[str, str]) -> None:
    assert boto3_because(given) is None
    client = client_for(given)
    assert isinstance(client, HttpClient)
    assert client.why == ""
    assert client.endpoint.authority == "dynamodb.eu-west-3.amazonaws.com"


OTHER = {
    "AWS_PROFILE": "p",
    "AWS_DEFAULT_PROFILE": "p",
    "AWS_CONFIG_FILE": "/somewhere",
    "AWS_SHARED_CREDENTIALS_FILE": "/somewhere",
    "AWS_CA_BUNDLE": "/bundle",
    "REQUESTS_CA_BUNDLE": "/bundle",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_ACCOUNT_ID": "1",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "required",
    "AWS_ROLE_ARN": "r",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "f",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x",
    "AWS_SIGV4A_SIGNING_REGION_SET": "*",
    "AWS_SOMETHING_NEW": "",
    "HTTP_PROXY": "http://proxy",
    "https_proxy": "http://proxy",
    "All_Proxy": "socks://proxy",
    "BOTO_CONFIG": "/somewhere",
}


@pytest.mark.parametrize("name", OTHER)
def test_what_could_change_boto3_s_request_gets_boto3_and_is_named(name: str) -> None:
    assert name in (boto3_because({**LAMBDA, name: OTHER[name]}) or "")


def test_every_variable_of_botocore_is_read_harmless_or_a_reason_for_boto3() -> None:
    """A variable that a newer botocore reads must be judged here, before the small client ignores it."""
    known = {"AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE", "BOTOCORE_TCP_KEEPALIVE"}
    variables = set[str]()
    for _, names, _, _ in BOTOCORE_DEFAUT_SESSION_VARIABLES.values():
        variables |= {names} if isinstance(names, str) else set(names or ())
    assert len(variables) > 20
    assert {name for name in variables if boto3_because({**LAMBDA, name: "x"}) is None} == known


@pytest.mark.parametrize(
    "changed",
    [
        {"AWS_ACCESS_KEY_ID": ""},
        {"AWS_SECRET_ACCESS_KEY": ""},
        {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""},
        {"AWS_REGION": "us-iso-east-1", "AWS_DEFAULT_REGION": "us-iso-east-1"},
        {"AWS_REGION": "eu-west-3/x", "AWS_DEFAULT_REGION": "eu-west-3/x"},
        {"AWS_ENDPOINT_URL": "http://localhost:4566/path"},
        {"AWS_ENDPOINT_URL_DYNAMODB": "http://[::1]:8000"},
        {"AWS_ACCESS_KEY_ID": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.org/credentials"},
        {"AWS_ACCESS_KEY_ID": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "ftp://127.0.0.1/credentials"},
    ],
)
def test_without_credentials_region_or_endpoint_that_it_knows_the_small_client_stays_away(
    changed: dict[str, str],
) -> None:
    assert boto3_because({**LAMBDA, **changed}) is not None


def test_files_of_settings_get_boto3(tmp_path: Path) -> None:
    assert boto3_because({**LAMBDA, "HOME": str(tmp_path)}) is None
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text("[default]")
    assert "AWS_SHARED_CREDENTIALS_FILE" in (boto3_because({**LAMBDA, "HOME": str(tmp_path)}) or "")
    none = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    assert boto3_because({**LAMBDA, "HOME": str(tmp_path), **none}) is None


def test_boto3_comes_with_its_reason_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given = {**environment("check", "http://127.0.0.1:1", "t"), "AWS_USE_FIPS_ENDPOINT": "false"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.WARNING):
        client = client_for(given)
    assert isinstance(client, BotoClient)
    assert client.why == "AWS_USE_FIPS_ENDPOINT is set"
    assert client.why in caplog.text


def regions() -> list[str]:
    session = boto3.Session()
    found = [
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("dynamodb", partition)
    ]
    assert {"us-east-1", "cn-north-1", "us-gov-west-1", "us-iso-east-1"} <= set(found)
    return found


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)


@pytest.mark.usefixtures("no_settings")
def test_the_endpoint_is_botocore_s_in_every_region_or_left_to_it() -> None:
    # One client per shape of the name: making one takes 50 ms.
    shapes = {re.sub(r"-(?!gov|iso)[a-z]+-\d+$", "", region): region for region in regions()}
    left = set()
    for shape, region in shapes.items():
        ours = endpoint_url({"AWS_REGION": region})
        if not ours:
            left.add(shape)
            continue
        client = boto3.client("dynamodb", region_name=region, aws_access_key_id="k", aws_secret_access_key="s")
        assert client.meta.endpoint_url == ours
    assert left == {shape for shape in shapes if "iso" in shape or shape.startswith("eusc")}


def test_the_endpoint_of_the_environment_is_the_service_s_before_the_general_one() -> None:
    general, own = {"AWS_ENDPOINT_URL": "http://a:1"}, {"AWS_ENDPOINT_URL_DYNAMODB": "http://b:2"}
    assert endpoint_url({**LAMBDA, **general}) == "http://a:1"
    assert endpoint_url({**LAMBDA, **general, **own}) == "http://b:2"
    assert boto3_because({**LAMBDA, **general, **own, "AWS_ENDPOINT_URL_SQS": "http://c:3/x"}) is None


def test_renewed_credentials_of_the_environment_are_used_at_once() -> None:
    with Database(answered({})) as database:
        given = {**LAMBDA, "AWS_ENDPOINT_URL": database.url}
        client = client_for(given)
        engine = DynamoEngine(client, "t")
        renewals: tuple[dict[str, str], ...] = (
            {},
            {"AWS_SESSION_TOKEN": "two"},
            {"AWS_ACCESS_KEY_ID": "other"},
            {"AWS_SESSION_TOKEN": ""},
        )
        for renewal in renewals:
            given |= renewal
            engine.get(Key("P", "a"))
        sent = [request.headers for request in database.requests]
        assert [headers.get("x-amz-security-token") for headers in sent] == ["token", "two", "two", None]
        key_ids = [re.findall(r"Credential=(.*?)/", headers["authorization"])[0] for headers in sent]
        assert key_ids == ["key", "key", "other", "other"]
        assert isinstance(client, HttpClient)
        client.close()


@pytest.mark.parametrize("part", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_each_part_of_the_credentials_may_change_alone(part: str) -> None:
    given = {**LAMBDA}
    credentials = EnvironmentCredentials(given)
    before = credentials()
    given[part] = "new"
    assert credentials() != before


def test_credentials_of_the_environment_are_made_once() -> None:
    credentials = EnvironmentCredentials(LAMBDA)
    assert credentials() is credentials()
    assert credentials() == Credentials("key", "secret", "token")


def issued(number: int, expires: float) -> Any:
    at = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return answered(
        {"AccessKeyId": f"k{number}", "SecretAccessKey": "s", "Token": "t", "Expiration": at}, connection="close"
    )


NOW = 1_795_168_800.0


class Time:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def sandbox(database: Database, **more: str) -> tuple[ContainerCredentials, Time]:
    time = Time()
    given = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{database.url}/2021/credentials?x=1", **more}
    assert endpoint_of(database.url)
    return ContainerCredentials(given, time), time


def test_the_sandbox_s_credentials_are_fetched_once_and_again_before_they_expire(tmp_path: Path) -> None:
    with Database(issued(1, NOW + 3600), issued(2, NOW + 7200)) as database:
        credentials, time = sandbox(database, AWS_CONTAINER_AUTHORIZATION_TOKEN="secret-token")
        with ThreadPoolExecutor(8) as pool:
            assert {each.key_id for each in pool.map(lambda _: credentials(), range(40))} == {"k1"}
        assert len(database.requests) == 1
        (asked,) = database.requests
        assert asked.line == "GET /2021/credentials?x=1 HTTP/1.1"
        assert asked.headers["authorization"] == "secret-token"
        time.now = NOW + 3600 - REFRESH_SECONDS - 1
        assert credentials().key_id == "k1"
        time.now += 1
        assert credentials().key_id == "k2"
        assert len(database.requests) == 2


def test_the_token_is_read_from_its_file_each_time(tmp_path: Path) -> None:
    token = tmp_path / "token"
    with Database(issued(1, NOW), issued(2, NOW)) as database:
        credentials, _ = sandbox(database, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(token))
        for text in ("one", "two"):
            token.write_text(text)
            credentials()
        assert [request.headers["authorization"] for request in database.requests] == ["one", "two"]


def test_a_refresh_that_fails_leaves_the_present_credentials_until_they_expire() -> None:
    with Database(issued(1, NOW + 3600), answered({}, 500, connection="close")) as database:
        credentials, time = sandbox(database)
        credentials()
        time.now = NOW + 3599
        assert credentials().key_id == "k1"
        time.now = NOW + 3600
        with pytest.raises(Unreached):
            credentials()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"AccessKeyId": "k", "SecretAccessKey": "s", "Token": "t"}'])
def test_without_credentials_nothing_is_sent(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallygate.storage.base.dynamo.BACKOFF_SECONDS", 0)
    with Database(answered({})) as store, Database(answered(body, connection="close")) as database:
        given = {**SNAPSTART, "AWS_CONTAINER_CREDENTIALS_FULL_URI": database.url, "AWS_ENDPOINT_URL": store.url}
        with pytest.raises(StoreUnavailable) as raised:
            DynamoEngine(client_for(given), "t").get(Key("P", "a"))
        assert raised.value.code == "store_unavailable"
        assert store.requests == []


IMPORTS = """
import sys
sys.path.insert(0, {folder!r})
import app
assert app.engine.client.why == "", app.engine.client.why
print(sorted({{"boto3", "botocore.session", "botocore.client", "urllib3"}} & sys.modules.keys()))
"""


@pytest.mark.parametrize("verb", ["authorize", "check", "ingest", "aggregate"])
def test_a_function_of_the_hot_path_imports_no_boto3(verb: str) -> None:
    more = {"QUEUE_URL": "http://127.0.0.1:1/queue", "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run(
        [sys.executable, "-c", IMPORTS.format(folder=str(FUNCTIONS / verb))],
        env={**environment(verb, "http://127.0.0.1:1", "t"), **more},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout.strip() == "[]", found.stderr
