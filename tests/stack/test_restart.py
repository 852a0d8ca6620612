"""A stack that is stopped and started again goes on where it was."""

from __future__ import annotations

from pathlib import Path

from local import drain
from local.layout import Layout, free_port
from local.lifecycle import running


def test_the_stream_is_read_on_after_a_restart(tmp_path: Path) -> None:
    first = Layout(folder=tmp_path, port=free_port())
    with running(first, say=print, announce=print) as stack:
        key, table = stack.handle.manage_key, stack.handle.table
        assert drain.drain_fold(stack.clients, table)
    assert not first.handle.exists()
    # Another port, as `make run PORT=…` may choose: nothing that was deployed may depend on it.
    second = Layout(folder=tmp_path, port=free_port())
    with running(second, say=print, announce=print) as stack:
        assert (stack.handle.manage_key, stack.handle.table) == (key, table)
        assert drain.drain_fold(stack.clients, table)
