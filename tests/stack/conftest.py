"""One deployed stack for all tests here: the real template on the emulator, IAM enforced, in its own folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.layout import MINISTACK_PYTHON, SAM, Layout, free_port
from local.lifecycle import Running, running
from tests.stack.api import Api
from tests.stack.receiver import Receiver, receiving


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.stack)


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A separate folder and a free port, so that the tests disturb no other stack."""
    if not (MINISTACK_PYTHON.exists() and SAM.exists()):
        pytest.fail("The emulator and the SAM CLI are not installed: run `make tools` once.")
    return Layout(folder=tmp_path_factory.mktemp("stack"), port=free_port())


@pytest.fixture(scope="session")
def stack(layout: Layout) -> Iterator[Running]:
    """The deployed stack, ready to use; it is drained and stopped at the end."""
    with running(layout, say=print, announce=print) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def api(stack: Running) -> Iterator[Api]:
    """The API with the key that has all scopes. At the end, the shared test clock returns to real time."""
    client = Api(stack.handle, stack.handle.manage_key)
    yield client
    client.good("POST", "/v1/test-clock", {"now": None})
    client.close()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as open_receiver:
        yield open_receiver
