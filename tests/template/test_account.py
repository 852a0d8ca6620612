"""What an account may demand of the template: keys, boundaries, and bounds of cost and rate."""

from __future__ import annotations

from typing import Any

import pytest

Resources = dict[str, dict[str, Any]]
NOTHING = {"Ref": "AWS::NoValue"}
KEY = {"Fn::If": ["HasKmsKey", {"Ref": "KmsKeyArn"}, NOTHING]}


def of_type(resources: Resources, kind: str) -> Resources:
    return {name: r["Properties"] for name, r in resources.items() if r["Type"] == kind}


def test_every_role_has_the_boundary_those_that_sam_generates_too(deployed: Resources) -> None:
    roles = of_type(deployed, "AWS::IAM::Role")
    assert len(roles) == 8
    for name, role in roles.items():
        wanted = {"Fn::If": ["HasPermissionsBoundary", {"Ref": "PermissionsBoundary"}, NOTHING]}
        assert role["PermissionsBoundary"] == wanted, name


def test_whatever_keeps_data_is_encrypted_with_the_key_that_was_given(resources: Resources) -> None:
    table = resources["Table"]["Properties"]["SSESpecification"]
    assert table["Fn::If"][1] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": {"Ref": "KmsKeyArn"}}
    for name, queue in of_type(resources, "AWS::SQS::Queue").items():
        assert queue["KmsMasterKeyId"] == KEY, name
        # Both together are refused.
        assert queue["SqsManagedSseEnabled"] == {"Fn::If": ["HasKmsKey", NOTHING, True]}, name
    for name, group in of_type(resources, "AWS::Logs::LogGroup").items():
        assert group["KmsKeyId"] == KEY, name


def test_the_index_has_the_table_s_bound(resources: Resources) -> None:
    table = resources["Table"]["Properties"]
    (index,) = table["GlobalSecondaryIndexes"]
    assert index["OnDemandThroughput"] == table["OnDemandThroughput"]
    condition, bounds, otherwise = table["OnDemandThroughput"]["Fn::If"]
    assert (condition, otherwise) == ("HasMaxUnits", NOTHING)
    assert set(bounds) == {"MaxReadRequestUnits", "MaxWriteRequestUnits"}


def test_every_throttle_has_both_its_numbers_and_both_are_parameters(
    template: dict[str, Any], resources: Resources
) -> None:
    """One that is left out is 0, and refuses everything."""
    stage = resources["Stage"]["Properties"]
    settings = [stage["DefaultRouteSettings"], *stage["RouteSettings"].values()]
    for each in settings:
        named = {name: value["Ref"] for name, value in each.items()}
        assert set(named) == {"ThrottlingRateLimit", "ThrottlingBurstLimit"}
        assert set(named.values()) <= set(template["Parameters"])
        assert all(template["Parameters"][name]["MinValue"] >= 1 for name in named.values())


def test_every_route_without_a_key_is_throttled_as_such(resources: Resources) -> None:
    settings = resources["Stage"]["Properties"]["RouteSettings"]
    routes = of_type(resources, "AWS::ApiGatewayV2::Route").values()
    public = {route["RouteKey"] for route in routes if route["AuthorizationType"] == "NONE"}
    throttled = {key for key, each in settings.items() if each["ThrottlingRateLimit"] == {"Ref": "PublicRate"}}
    assert throttled == public


def test_lambda_s_own_lines_are_left_out_and_metrics_are_not(deployed: Resources) -> None:
    for name, function in of_type(deployed, "AWS::Lambda::Function").items():
        logging = function["LoggingConfig"]
        assert (logging["LogFormat"], logging["SystemLogLevel"]) == ("JSON", "WARN"), name
        # A line without a level counts as INFO, and metrics are such lines.
        assert logging["ApplicationLogLevel"] == "INFO", name
        assert "LogGroup" in logging, name


def test_a_caller_s_address_is_logged_only_where_that_was_asked_for(
    template: dict[str, Any], resources: Resources
) -> None:
    assert template["Parameters"]["AccessLog"]["Default"] == "requests"
    _, settings, otherwise = resources["Stage"]["Properties"]["AccessLogSettings"]["Fn::If"]
    condition, with_address, without = settings["Format"]["Fn::If"]
    assert (condition, otherwise) == ("LogsAddresses", NOTHING)
    assert "sourceIp" in with_address
    assert "sourceIp" not in without
    assert "$context.requestId" in without, "API Gateway refuses a format without it"


@pytest.mark.parametrize("name", ["KmsKeyArn", "PermissionsBoundary"])
def test_what_only_some_accounts_need_is_empty_by_default(template: dict[str, Any], name: str) -> None:
    assert template["Parameters"][name]["Default"] == ""


# The longest name that each kind takes. What is not named here gets its name from CloudFormation, which cuts it.
NAMES = {
    "AWS::Events::EventBus": ("Name", 256),
    "AWS::ApiGatewayV2::Api": ("Name", 128),
    "AWS::Logs::LogGroup": ("LogGroupName", 512),
    "AWS::Serverless::LayerVersion": ("LayerName", 140),
}


@pytest.mark.parametrize("kind", NAMES)
def test_the_longest_name_of_a_stack_makes_no_name_too_long(resources: Resources, kind: str) -> None:
    name, most = NAMES[kind]
    for properties in of_type(resources, kind).values():
        given = properties[name]
        text = given.get("Fn::Sub", "${AWS::StackName}")
        assert len(text.replace("${AWS::StackName}", "s" * 128)) <= most


def test_the_stack_stays_within_cloudformation_s_and_the_gateway_s_quotas(
    template: dict[str, Any], deployed: Resources
) -> None:
    assert len(deployed) <= 400
    assert len(template["Parameters"]) <= 200
    assert len(of_type(deployed, "AWS::ApiGatewayV2::Route")) <= 250
    assert not [name for name, output in template["Outputs"].items() if "Export" in output]


def key_statements(deployed: Resources) -> list[tuple[str, dict[str, Any]]]:
    """(role, statement) for every right to the stack's key, in roles and beside them."""
    found = []
    for name, role in of_type(deployed, "AWS::IAM::Role").items():
        for policy in role["Policies"]:
            if "Fn::If" in policy:
                assert policy["Fn::If"][0] == "HasKmsKey"
                found += [(name, s) for s in policy["Fn::If"][1]["PolicyDocument"]["Statement"]]
    for resource in deployed.values():
        if resource["Type"] == "AWS::IAM::Policy" and resource["Condition"] == "HasKmsKey":
            (statement,) = resource["Properties"]["PolicyDocument"]["Statement"]
            found += [(role["Ref"], statement) for role in resource["Properties"]["Roles"]]
    return found


def test_a_key_of_one_s_own_is_used_through_the_service_that_encrypts_with_it(deployed: Resources) -> None:
    """manage may only encrypt secrets, deliver only decrypt them, and each only those of this stack."""
    found: dict[str, dict[str, set[str]]] = {}
    for role, statement in key_statements(deployed):
        assert statement["Resource"] == {"Ref": "KmsKeyArn"}
        listed = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        via = statement["Condition"]["StringEquals"]["kms:ViaService"]["Fn::Sub"].split(".")[0]
        found.setdefault(via, {})[role.removesuffix("FunctionRole")] = set(listed)
        if via == "ssm":
            context = statement["Condition"]["StringLike"]["kms:EncryptionContext:PARAMETER_ARN"]
            assert context["Fn::Sub"].endswith("parameter/tallygate/${AWS::StackName}/webhook-secrets/*")
    assert found["ssm"] == {"Manage": {"kms:Encrypt"}, "Deliver": {"kms:Decrypt"}}
    assert set(found["sqs"]) == {"Aggregate", "Reset", "Deliver", "ScheduleRole"}
    assert set(found["dynamodb"]) == {"Authorize", "Check", "Ingest", "Aggregate", "Reset", "Deliver", "Manage"}


def test_what_lambda_examines_a_role_for_is_in_the_role_itself(deployed: Resources) -> None:
    """A policy beside the role may come after the source that is refused without it."""
    inside = {
        name.removesuffix("FunctionRole"): {
            statement["Condition"]["StringEquals"]["kms:ViaService"]["Fn::Sub"].split(".")[0]
            for policy in role["Policies"]
            if "Fn::If" in policy
            for statement in policy["Fn::If"][1]["PolicyDocument"]["Statement"]
        }
        for name, role in of_type(deployed, "AWS::IAM::Role").items()
    }
    assert inside["Aggregate"] == {"dynamodb", "sqs"}
    assert inside["Reset"] == inside["Deliver"] == inside["ScheduleRole"] == {"sqs"}


def test_nothing_else_is_named_by_hand(resources: Resources) -> None:
    """A name by hand can collide with another stack's, and grow too long with the stack's."""
    for name, resource in resources.items():
        given = {"FunctionName", "QueueName", "TableName", "RoleName", "AlarmName"} & set(resource["Properties"])
        assert not given or resource["Type"] in REFERRING, name


REFERRING = {"AWS::Lambda::EventSourceMapping", "AWS::Lambda::EventInvokeConfig", "AWS::Lambda::Permission"}
"""Where FunctionName names a function that is there."""
