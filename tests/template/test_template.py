"""What the template promises to whoever deploys it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.template.conftest import policies_of

Resources = dict[str, dict[str, Any]]
REPOSITORY = Path(__file__).resolve().parents[2]
VERBS = {"authorize", "check", "ingest", "aggregate", "reset", "deliver", "manage"}
FAILURE_QUEUE = {"Fn::GetAtt": ["FailureQueue", "Arn"]}


def of_type(resources: Resources, kind: str) -> Resources:
    return {name: r["Properties"] for name, r in resources.items() if r["Type"] == kind}


def names_in(value: Any) -> set[str]:
    """Every logical id that an intrinsic function of this value refers to."""
    if isinstance(value, list):
        return set().union(*map(names_in, value))
    if not isinstance(value, dict):
        return set()
    found = set().union(*map(names_in, value.values())) if value else set()
    if isinstance(value.get("Ref"), str):
        found.add(value["Ref"])
    if isinstance(value.get("Fn::GetAtt"), list):
        found.add(value["Fn::GetAtt"][0])
    text = value.get("Fn::Sub")
    if isinstance(text, str):
        found |= set(re.findall(r"\$\{(\w+)", text))
    return found


def test_one_word_names_a_function_everywhere(functions: dict[str, dict[str, Any]]) -> None:
    assert set(functions) == VERBS
    for verb, properties in functions.items():
        assert properties["CodeUri"] == f"functions/{verb}"
        assert properties["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == verb
        assert (REPOSITORY / "functions" / verb / "app.py").exists()


def test_every_parameter_is_described_and_constrained(template: dict[str, Any]) -> None:
    bounds = {"AllowedValues", "AllowedPattern", "MinValue"}
    for name, parameter in template["Parameters"].items():
        assert parameter["Description"].endswith("."), name
        assert bounds & set(parameter), f"{name} takes anything"
        assert "Default" in parameter, f"{name} must be given to deploy at all"
        if "AllowedValues" in parameter:
            assert parameter["Default"] in parameter["AllowedValues"]


def test_every_parameter_has_a_place_in_the_console(template: dict[str, Any]) -> None:
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    shown = [name for group in groups for name in group["Parameters"]]
    assert sorted(shown) == sorted(template["Parameters"])


def test_every_function_logs_to_a_group_with_retention(
    functions: dict[str, dict[str, Any]], resources: Resources
) -> None:
    groups = of_type(resources, "AWS::Logs::LogGroup")
    for verb, properties in functions.items():
        assert properties["LoggingConfig"] == {"LogGroup": {"Ref": f"{verb.capitalize()}Logs"}}
        assert f"{verb.capitalize()}Logs" in groups
    for name, group in groups.items():
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name


def test_every_asynchronous_source_has_a_failure_destination(resources: Resources) -> None:
    for name, source in of_type(resources, "AWS::Lambda::EventSourceMapping").items():
        if "StartingPosition" in source:
            assert source["DestinationConfig"]["OnFailure"]["Destination"] == FAILURE_QUEUE, name
        else:
            (queue,) = names_in(source["EventSourceArn"])
            assert "deadLetterTargetArn" in resources[queue]["Properties"]["RedrivePolicy"], name
    called = set()
    for name, schedule in of_type(resources, "AWS::Scheduler::Schedule").items():
        assert schedule["Target"]["DeadLetterConfig"] == {"Arn": FAILURE_QUEUE}, name
        called |= names_in(schedule["Target"]["Arn"])
    configured = of_type(resources, "AWS::Lambda::EventInvokeConfig").values()
    watched = {c["FunctionName"]["Ref"] for c in configured if c["DestinationConfig"]["OnFailure"]["Destination"]}
    assert called == watched == {"ResetFunction", "DeliverFunction"}


def test_whatever_sends_to_a_failure_destination_may(
    functions: dict[str, dict[str, Any]], resources: Resources
) -> None:
    for verb in ("aggregate", "reset", "deliver"):
        granted = [s for s in statements(functions[verb]) if s["Action"] == "sqs:SendMessage"]
        assert any("FailureQueue" in names_in(s["Resource"]) for s in granted), verb
    policy = resources["ScheduleRole"]["Properties"]["Policies"][0]
    sends = [s for s in policy["PolicyDocument"]["Statement"] if s["Action"] == "sqs:SendMessage"]
    assert names_in(sends[0]["Resource"]) == {"FailureQueue"}


def statements(function: dict[str, Any]) -> list[dict[str, Any]]:
    return [statement for policy in policies_of(function) for statement in policy["Statement"]]


def test_no_privilege_is_for_everything(functions: dict[str, dict[str, Any]], resources: Resources) -> None:
    granted = [s for function in functions.values() for s in statements(function)]
    granted += resources["TestClockPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    for role in of_type(resources, "AWS::IAM::Role").values():
        granted += [s for policy in policies_of(role) for s in policy["PolicyDocument"]["Statement"]]
    for statement in granted:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not [action for action in actions if "*" in action], statement
        assert statement["Resource"] != "*", statement
        if statement["Resource"] == {"Fn::GetAtt": ["Table", "Arn"]}:
            (prefixes,) = statement["Condition"]["ForAllValues:StringLike"].values()
            assert prefixes, statement


def test_the_test_clock_brings_privileges_only_where_it_is_enabled(
    functions: dict[str, dict[str, Any]], resources: Resources
) -> None:
    assert resources["TestClockPolicy"]["Condition"] == "TestClockEnabled"
    for statement in statements(functions["manage"]):
        assert "lambda:InvokeFunction" not in statement["Action"]
    assert functions["manage"].get("Role") is None


def test_the_stream_reaches_aggregate_in_order_and_with_its_shard(resources: Resources) -> None:
    (source,) = [s for s in of_type(resources, "AWS::Lambda::EventSourceMapping").values() if "StartingPosition" in s]
    assert source["TumblingWindowInSeconds"] > 0
    assert source["ParallelizationFactor"] == 1
    assert source["BisectBatchOnFunctionError"] is False
    assert source["StartingPosition"] == "TRIM_HORIZON"


def test_the_stream_s_filter_passes_what_aggregate_reads(resources: Resources) -> None:
    filters = resources["TableStream"]["Properties"]["FilterCriteria"]["Filters"]
    passed: dict[str, set[str]] = {}
    for entry in filters:
        pattern = json.loads(entry["Pattern"])
        for prefix in pattern["dynamodb"]["Keys"]["pk"]["S"]:
            kind = prefix if isinstance(prefix, str) else prefix["prefix"].removesuffix("#")
            passed[kind] = set(pattern["eventName"])
    reader = (REPOSITORY / "layers/tallygate/python/tallygate/storage/stream.py").read_text()
    kinds = reader.split("match kind:", 1)[1].split("return None", 1)[0]
    read = dict(re.findall(r'case "(\w+)"( if old is None)?', kinds))
    read |= dict.fromkeys(re.findall(r'if kind == "(\w+)":', reader), "")
    assert passed == {kind: {"INSERT"} if first else {"INSERT", "MODIFY"} for kind, first in read.items()}


def test_a_slow_delivery_is_not_made_twice_at_once(resources: Resources, functions: dict[str, Any]) -> None:
    assert resources["DeliveryQueue"]["Properties"]["VisibilityTimeout"] >= 6 * functions["deliver"]["Timeout"]
    (source,) = [s for s in of_type(resources, "AWS::Lambda::EventSourceMapping").values() if "ScalingConfig" in s]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["BatchSize"] == 1


def test_usage_outlives_the_stack_and_can_be_restored(resources: Resources) -> None:
    table = resources["Table"]
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
    assert table["Properties"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert table["Properties"]["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    (index,) = table["Properties"]["GlobalSecondaryIndexes"]
    assert (index["IndexName"], index["Projection"]) == ("due", {"ProjectionType": "KEYS_ONLY"})


PUBLIC = {"GET /v1/health", "GET /v1/openapi.json", "GET /v1/webhooks/schemas", "$default"}


def test_every_route_but_the_public_ones_asks_the_authorizer(resources: Resources) -> None:
    for name, route in of_type(resources, "AWS::ApiGatewayV2::Route").items():
        public = route["AuthorizationType"] == "NONE"
        assert public == (route["RouteKey"] in PUBLIC), name
        assert public or route["AuthorizerId"] == {"Ref": "Authorizer"}, name


def test_the_stage_waits_for_every_route_that_its_settings_name(resources: Resources) -> None:
    """API Gateway refuses settings of a route that does not exist yet, and CloudFormation sees no such dependency."""
    routes = {r["RouteKey"]: name for name, r in of_type(resources, "AWS::ApiGatewayV2::Route").items()}
    for stage in (r for r in resources.values() if r["Type"] == "AWS::ApiGatewayV2::Stage"):
        named = stage["Properties"].get("RouteSettings", {})
        assert named
        assert {routes[key] for key in named} <= set(stage["DependsOn"])


@pytest.mark.parametrize("name", ["Runtime", "Architecture"])
def test_the_layer_is_built_for_what_the_template_defaults_to(template: dict[str, Any], name: str) -> None:
    # The layer's Makefile reads the defaults out of the template by their indentation-free first words.
    lines = (line.split() for line in (REPOSITORY / "template.yaml").read_text().splitlines())
    words = [line for line in lines if line]
    start = words.index([f"{name}:"])
    default = next(line[1] for line in words[start:] if line[0] == "Default:")
    assert default == template["Parameters"][name]["Default"]
