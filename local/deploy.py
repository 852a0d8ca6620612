"""Build and deploy the real template to the emulator with SAM, each only after a change.

A build is named by a digest of its sources and shared by all stacks. The last deployment is recorded per stack. The
record counts only while the emulator still has that deployment. Invariant: the deployed code is the code of the working
tree.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from botocore.exceptions import ClientError

from local.emulator import CREDENTIALS, Clients, write_whole
from local.layout import BUILDS, REPOSITORY, SAM, UV, Layout, StackError

STACK_NAME = "tallygate"
BUCKET = "tallygate-deployments"
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
ARCHITECTURE = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
PARAMETERS = {
    # The emulator runs the functions with its own interpreter.
    "Runtime": RUNTIME,
    "Architecture": ARCHITECTURE,
    "TestClock": "enabled",
    # The inbox of the local stack listens on loopback.
    "AllowPrivateWebhooks": "true",
    "TableProtection": "disabled",
    # Everything shares one machine here. A backlog of deliveries or closings must leave time for decisions.
    "SweepMax": "50",
    "DeliveryConcurrency": "4",
    # Alarms exist only with a topic. They should be deployed here too.
    "AlarmTopicArn": "arn:aws:sns:us-east-1:000000000000:tallygate-alarms",
}
SOURCES = ("template.yaml", "samconfig.toml", "functions", "layers")
KEPT_BUILDS = 3
OUTPUT_TAIL_LINES = 25


def is_built() -> bool:
    return built_folder().exists()


def built_folder() -> Path:
    return BUILDS / source_digest()


def build() -> Path:
    """Return the folder of the built template. Build it unless the same sources were built before."""
    folder = built_folder()
    BUILDS.mkdir(parents=True, exist_ok=True)
    with exclusive(BUILDS / "lock"):
        if not (folder / "template.yaml").exists():
            partial = BUILDS / "partial"
            shutil.rmtree(partial, ignore_errors=True)
            sam("build", "--build-dir", str(partial), "--parameter-overrides", *overrides())
            partial.rename(folder)
            forget_old_builds()
        os.utime(folder)
    return folder


def deploy(layout: Layout, clients: Clients, built: Path) -> dict[str, str]:
    """Return the outputs of the stack. Deploy it unless this build with these parameters is deployed."""
    digest = hashlib.sha256(f"{built.name} {sorted(PARAMETERS.items())}".encode()).hexdigest()
    outputs = deployed_outputs(clients)
    if outputs and layout.deployed.exists() and layout.deployed.read_text() == digest:
        return outputs
    layout.deployed.unlink(missing_ok=True)
    s3 = clients.of("s3")
    if BUCKET not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=BUCKET)
    sam(
        "deploy",
        "--template-file",
        str(built / "template.yaml"),
        "--parameter-overrides",
        *overrides(),
        endpoint_url=layout.endpoint_url,
    )
    outputs = deployed_outputs(clients)
    if outputs is None:
        raise StackError("sam deploy reported success, but the emulator has no such stack.")
    write_whole(layout.deployed, digest)
    return outputs


def deployed_outputs(clients: Clients) -> dict[str, str] | None:
    """The outputs of the emulator's stack; None if it has no complete stack."""
    try:
        stack = clients.of("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in error.response["Error"]["Message"]:
            return None
        raise
    if stack["StackStatus"] not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        return None
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def source_digest() -> str:
    """A digest of everything that a build depends on, including this machine's Python."""
    digest = hashlib.sha256(f"{RUNTIME} {ARCHITECTURE} {platform.system()}".encode())
    for root in SOURCES:
        path = REPOSITORY / root
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc":
                digest.update(f"{file.relative_to(REPOSITORY)}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def overrides() -> list[str]:
    return [f"{name}={value}" for name, value in PARAMETERS.items()]


def forget_old_builds() -> None:
    builds = sorted((p for p in BUILDS.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime, reverse=True)
    for folder in builds[KEPT_BUILDS:]:
        shutil.rmtree(folder, ignore_errors=True)


def sam(*arguments: str, endpoint_url: str | None = None) -> None:
    """Run the SAM CLI without output. Raises StackError with the end of its output if it fails."""
    if not SAM.exists():
        raise StackError("The SAM CLI is not installed: run this through `make run`, or `make tools` once.")
    environment = os.environ | CREDENTIALS | {"SAM_CLI_TELEMETRY": "0", "__SAM_CLI_APP_DIR": str(SAM.parents[1])}
    # SAM looks on the path for a Python of the template's version: that is its own Python.
    environment["PATH"] = f"{SAM.parent}{os.pathsep}{os.environ['PATH']}"
    environment |= {"TALLYGATE_RUNTIME": RUNTIME, "TALLYGATE_PLATFORM": "host", "TALLYGATE_UV": str(UV)}
    if endpoint_url:
        environment["AWS_ENDPOINT_URL"] = endpoint_url
    config = ["--config-file", str(REPOSITORY / "samconfig.toml"), "--config-env", "local"]
    command = [str(SAM), arguments[0], *config, *arguments[1:]]
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-OUTPUT_TAIL_LINES:])
        raise StackError(f"sam {arguments[0]} failed:\n{tail}")


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock between processes during the block."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
