"""Who is let in, by the API and by IAM, on the deployed stack."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.emulator import REGION
from local.lifecycle import Running

# What each function may do with an item of each partition-key prefix. `x` stands for any customer.
PRIVILEGES: dict[str, dict[str, str]] = {
    "authorize": {"KEY#x": "get update", "CUSTOMER#x": "", "CELL#x#f": "", "EVENT#x#0": "", "SECRET#decisions": ""},
    "check": {
        "CUSTOMER#x": "get",
        "CELL#x#f": "get put update",
        "RECEIPT#x": "get put update",
        "KEY#x": "",
        "JOURNAL#x": "",
        "TOTAL#x": "get",
        "SECRET#decisions": "get put",
        "SECRET#x": "",
    },
    "ingest": {
        "EVENT#x#0": "get put",
        "REJECTED#x": "put",
        "SUBJECT#x": "get",
        "CUSTOMER#x": "get",
        "CELL#x#f": "",
        "TOTAL#x": "",
        "SECRET#decisions": "get",
    },
    "aggregate": {
        "JOURNAL#x": "get put update",
        "CELL#x#f": "get put update",
        "REJECTED#x": "put",
        "CUSTOMER#x": "get",
        "KEY#x": "",
        "SECRET#decisions": "get",
    },
    "reset": {
        "TOTAL#x": "get put update",
        "OUTBOX#x": "get put update",
        "CELL#x#f": "get",
        "JOURNAL#x": "",
        "SECRET#decisions": "",
    },
    "deliver": {
        "DELIVERY#x": "get update",
        "ENDPOINT": "get update",
        "OUTBOX#x": "get",
        "TOTAL#x": "",
        "SECRET#decisions": "",
    },
    "manage": {
        "CUSTOMER#x": "get put update delete",
        "CELL#x#f": "get put update",
        "TOTAL#x": "get",
        "EVENT#x#0": "",
        "SECRET#decisions": "get",
    },
}
ACTIONS = ("get", "put", "update", "delete")


def ask(stack: Running, path: str, key: str | None = None) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    question = urllib.request.Request(stack.handle.api_url + path, headers=headers)
    try:
        with urllib.request.urlopen(question, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_health_answers_without_a_key(stack: Running) -> None:
    status, _ = ask(stack, "/v1/health")
    assert status == 200


def test_an_unknown_key_is_refused(stack: Running) -> None:
    status, problem = ask(stack, "/v1/catalog", "tg_nobody")
    assert status == 401
    assert problem["code"] == "unauthenticated"


def test_what_has_not_the_form_of_a_key_is_refused_by_the_gateway(stack: Running) -> None:
    assert ask(stack, "/v1/catalog", "nobody") == (403, {"message": "Forbidden"})


def test_a_deep_look_at_health_asks_for_a_key(stack: Running) -> None:
    for key, status in ((None, 401), ("tg_nobody", 401), (stack.handle.ingest_key, 403)):
        assert ask(stack, "/v1/health?deep=1", key)[0] == status


def test_a_key_without_the_scope_is_refused(stack: Running) -> None:
    status, _ = ask(stack, "/v1/catalog", stack.handle.ingest_key)
    assert status == 403


def test_no_key_is_refused(stack: Running) -> None:
    status, _ = ask(stack, "/v1/catalog")
    assert status == 401


@pytest.mark.parametrize("verb", PRIVILEGES)
def test_iam_lets_a_function_touch_its_own_prefixes_only(stack: Running, verb: str) -> None:
    dynamodb = as_function(stack, verb)
    allowed = {
        prefix: " ".join(action for action in ACTIONS if may(dynamodb, stack.handle.table, action, prefix))
        for prefix in PRIVILEGES[verb]
    }
    assert allowed == PRIVILEGES[verb]


SECRET = "/tallygate/tallygate/webhook-secrets/we_of_a_test/a"


def test_one_function_writes_secrets_and_another_reads_them(stack: Running) -> None:
    readers: list[str] = []
    as_function(stack, "manage", "ssm").put_parameter(Name=SECRET, Value="whsec_x", Type="SecureString")
    for verb in stack.handle.functions:
        with contextlib.suppress(ClientError):
            as_function(stack, verb, "ssm").get_parameter(Name=SECRET, WithDecryption=True)
            readers.append(verb)
    assert readers == ["deliver"]
    for foreign in ("/other", "/tallygate/other/webhook-secrets/we_1/a"):
        with pytest.raises(ClientError, match="AccessDenied"):
            as_function(stack, "manage", "ssm").put_parameter(Name=foreign, Value="x", Type="SecureString")
    with pytest.raises(ClientError, match="AccessDenied"):
        as_function(stack, "deliver", "ssm").delete_parameter(Name=SECRET)
    as_function(stack, "manage", "ssm").delete_parameter(Name=SECRET)


def as_function(stack: Running, verb: str, service: str = "dynamodb") -> Any:
    """A client with exactly the privileges of a function's role."""
    role = stack.clients.of("lambda").get_function_configuration(FunctionName=stack.handle.functions[verb])["Role"]
    lent = stack.clients.of("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    session = boto3.Session(
        aws_access_key_id=lent["AccessKeyId"],
        aws_secret_access_key=lent["SecretAccessKey"],
        aws_session_token=lent["SessionToken"],
        region_name=REGION,
    )
    client: Any = session.client(service, endpoint_url=stack.handle.endpoint_url)  # type: ignore[call-overload]
    return client


def may(dynamodb: Any, table: str, action: str, partition_key: str) -> bool:
    # A sort key of its own, and a condition that never holds: nothing is written, whoever may.
    key = {"pk": {"S": partition_key}, "sk": {"S": "test-of-privileges"}}
    never = {"ConditionExpression": "attribute_exists(never)"}
    try:
        if action == "get":
            dynamodb.get_item(TableName=table, Key=key)
        elif action == "put":
            dynamodb.put_item(TableName=table, Item=key, **never)
        elif action == "update":
            dynamodb.update_item(TableName=table, Key=key, **never)
        else:
            dynamodb.delete_item(TableName=table, Key=key, **never)
    except ClientError as error:
        match error.response["Error"]["Code"]:
            case "AccessDeniedException":
                return False
            case "ConditionalCheckFailedException":
                return True
        raise
    return True
