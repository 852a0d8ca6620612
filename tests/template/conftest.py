"""The template as data, for every test here."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.layout import SAM

REPOSITORY = Path(__file__).resolve().parents[2]


class CloudFormation(yaml.SafeLoader):
    """YAML whose short forms (`!Ref x`) become their long ones (`{"Ref": "x"}`)."""


def long_form(loader: CloudFormation, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


CloudFormation.add_multi_constructor("!", long_form)


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """template.yaml, intrinsic functions in their long form."""
    with (REPOSITORY / "template.yaml").open() as file:
        loaded: dict[str, Any] = yaml.load(file, CloudFormation)
    return loaded


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The template's resources by logical id."""
    found: dict[str, dict[str, Any]] = template["Resources"]
    return found


@pytest.fixture(scope="session")
def functions(resources: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The properties of the functions by verb."""
    ending = "Function"
    return {
        name.removesuffix(ending).lower(): resource["Properties"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def policies_of(role: dict[str, Any]) -> list[dict[str, Any]]:
    """The policies of a function or role, including those that it has only with the stack's own key."""
    return [policy["Fn::If"][1] if "Fn::If" in policy else policy for policy in role["Policies"]]


TRANSFORM = """
import json, sys
from samtranslator.translator.transform import transform

class Policies:
    def load(self):
        return {}

print(json.dumps(transform(json.load(sys.stdin), {}, Policies())))
"""


@pytest.fixture(scope="session")
def deployed(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The resources as CloudFormation gets them, after SAM's transform, which generates the roles of functions."""
    local = copy.deepcopy(template)
    for resource in local["Resources"].values():
        for name in {"CodeUri", "ContentUri"} & set(resource["Properties"]):
            resource["Properties"][name] = "s3://bucket/key"
    if not SAM.exists():
        pytest.fail("The SAM CLI is not installed: run `make tools` once.")
    done = subprocess.run(
        [str(SAM.parent / "python"), "-c", TRANSFORM],
        input=json.dumps(local),
        env={"AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)["Resources"]
    return found
