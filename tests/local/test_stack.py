"""The local stack's files and commands: who owns a folder, who may read its keys, and where it may be."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from local import emulator, lifecycle, stack
from local.emulator import write_whole
from local.layout import REPOSITORY, Layout, StackError, free_port


def test_a_file_is_for_its_owner_only_from_its_first_byte_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    write_text = Path.write_text

    def watched(path: Path, text: str) -> int:
        seen.append(stat.S_IMODE(path.stat().st_mode))
        return write_text(path, text)

    monkeypatch.setattr(Path, "write_text", watched)
    write_whole(tmp_path / "stack.json", "{}")
    assert seen == [0o600]
    assert stat.S_IMODE((tmp_path / "stack.json").stat().st_mode) == 0o600


def test_an_owner_that_has_just_taken_the_lock_is_waited_for(tmp_path: Path) -> None:
    layout = Layout(folder=tmp_path, port=1)
    with lifecycle.owned(layout):
        layout.lock.write_text("")
        threading.Timer(0.1, layout.lock.write_text, [str(os.getpid())]).start()
        assert lifecycle.owner(layout) == os.getpid()


def test_an_owner_that_never_says_who_it_is_is_not_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "OWNER_TIMEOUT_S", 0.1)
    layout = Layout(folder=tmp_path, port=1)
    with lifecycle.owned(layout):
        layout.lock.write_text("")
        with pytest.raises(StackError):
            stack.stop(layout, quiet=True)


@pytest.mark.parametrize("port", ["0", "65535", "-1", "http"])
def test_a_port_without_room_for_the_inbox_is_refused(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["stack", "run", f"--port={port}"])
    with pytest.raises(SystemExit):
        stack.parse()


@pytest.mark.parametrize("layer", ["dependencies", "tallygate"])
def test_a_layer_is_built_in_a_folder_whose_name_has_a_space(layer: str, tmp_path: Path) -> None:
    """Unquoted, its `rm -rf` and `find` would work on whatever the part before the space names."""
    home = tmp_path / "a clone" / "layers" / layer
    home.mkdir(parents=True)
    for name in (f"layers/{layer}/Makefile", "template.yaml"):
        (tmp_path / "a clone" / name).write_text((REPOSITORY / name).read_text())
    (home / "python" / "tallygate").mkdir(parents=True)
    (home / "python" / "tallygate" / "__init__.py").touch()
    (home / "requirements.txt").touch()
    uv = tmp_path / "a clone" / "uv"
    uv.write_text('#!/bin/sh\necho "$@" >"$(dirname "$0")/asked"\n')
    uv.chmod(0o755)
    artifacts = tmp_path / "a clone" / "built"
    command = ["make", "--makefile", str(home / "Makefile"), f"build-{layer.capitalize()}Layer"]
    environment = os.environ | {"ARTIFACTS_DIR": str(artifacts), "TALLYGATE_UV": str(uv)}
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (artifacts / "python").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["a clone"]
    if layer == "dependencies":
        assert "--python-version 3." in (tmp_path / "a clone" / "asked").read_text()


def test_queues_follow_the_port_that_the_emulator_is_started_on(tmp_path: Path) -> None:
    """The emulator looks for a queue under the address of the port that it runs on."""
    layout = Layout(folder=tmp_path, port=5001)
    layout.state.mkdir()
    former = "http://localhost:4001/000000000000/tallygate-DeliveryQueue"
    for name in ("sqs", "lambda", "dynamodb"):
        (layout.state / f"{name}.json").write_text(json.dumps({"url": former}))
    emulator.move_queue_addresses(layout)
    found = {name: (layout.state / f"{name}.json").read_text() for name in ("sqs", "lambda", "dynamodb")}
    assert ":5001/" in found["sqs"] and ":5001/" in found["lambda"]
    assert json.loads(found["dynamodb"])["url"] == former, "what customers wrote is theirs"


def test_the_inbox_keeps_its_port_whatever_port_the_stack_is_started_on(tmp_path: Path) -> None:
    first = lifecycle.inbox_port(Layout(folder=tmp_path, port=free_port()))
    assert lifecycle.inbox_port(Layout(folder=tmp_path, port=free_port())) == first


def test_a_state_of_another_form_is_refused_until_it_is_removed(tmp_path: Path) -> None:
    layout, said = Layout(folder=tmp_path, port=1), list[str]()
    lifecycle.require_readable(layout)
    layout.state.mkdir()
    lifecycle.require_readable(layout)
    for older in ("1", None):
        layout.stored_form.unlink() if older is None else layout.stored_form.write_text(older)
        with pytest.raises(StackError, match="FRESH=1"):
            lifecycle.require_readable(layout)
    layout.keys.write_text("{}")
    lifecycle.remove_state(layout, said.append)
    lifecycle.require_readable(layout)
    assert not layout.state.exists() and not layout.keys.exists()
    assert said == ["removing the state of earlier runs"]
