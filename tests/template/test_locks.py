"""What is deployed and what is tested are the same versions."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def pinned(path: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", (REPOSITORY / path).read_text(), re.MULTILINE))


def test_the_layer_holds_the_runtime_dependencies_of_the_lock() -> None:
    with (REPOSITORY / "uv.lock").open("rb") as file:
        packages = {package["name"]: package for package in tomllib.load(file)["package"]}
    wanted = [dependency["name"] for dependency in packages["tallygate"]["dependencies"]]
    needed: dict[str, str] = {}
    while wanted:
        package = packages[wanted.pop()]
        if package["name"] not in needed:
            needed[package["name"]] = package["version"]
            wanted += [dependency["name"] for dependency in package.get("dependencies", [])]
    assert pinned("layers/dependencies/requirements.txt") == needed, "run `make locks`"


def test_the_layer_leaves_boto3_to_the_runtime() -> None:
    assert not {"boto3", "botocore"} & set(pinned("layers/dependencies/requirements.txt"))


def test_the_emulator_s_interpreter_holds_nothing_that_a_layer_must_bring() -> None:
    layer = set(pinned("layers/dependencies/requirements.txt")) - {"jmespath"}
    assert not layer & set(pinned("tools/locks/ministack.txt"))


def test_tests_and_emulator_speak_through_the_same_botocore() -> None:
    with (REPOSITORY / "uv.lock").open("rb") as file:
        locked = {package["name"]: package["version"] for package in tomllib.load(file)["package"]}
    assert pinned("tools/locks/ministack.txt")["botocore"] == locked["botocore"]
    assert pinned("tools/locks/ministack.txt")["boto3"] == locked["boto3"]
