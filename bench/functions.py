"""Functions as Lambda loads them: a new import of app.py with its environment, over a table of a local engine."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tallygate.domain.base.instants import Instant
from tallygate.domain.delivery.deliveries import Endpoint

FOREIGN = re.compile(r"AWS_(?!ENDPOINT_URL_).*|(?i:\w+_proxy)|REQUESTS_CA_BUNDLE")
"""Settings of the machine for AWS's clients. Lambda has none of them."""
FUNCTIONS = Path(__file__).resolve().parent.parent / "functions"


def environment(verb: str, url: str, table: str) -> dict[str, str]:
    """The environment that the template gives a function, with a local engine instead of AWS."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
        # Settings of this machine must not change what a function does.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "TABLE_NAME": table,
        "POWERTOOLS_SERVICE_NAME": verb,
        "POWERTOOLS_METRICS_NAMESPACE": "Tallygate/bench",
        "SECRETS_PATH": "/tallygate/bench/webhook-secrets",
    }


class HeldSecrets:
    """Secrets in memory, in place of SSM, which the local engine does not have."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], list[str]] = {}

    def keep(self, endpoint_id: str, slot: str, text: str) -> int:
        versions = self.kept.setdefault((endpoint_id, slot), [])
        versions.append(text)
        return len(versions)

    def remove(self, endpoint_id: str) -> None:
        self.kept = {key: versions for key, versions in self.kept.items() if key[0] != endpoint_id}

    def texts(self, endpoint: Endpoint, now: Instant) -> tuple[str, ...]:
        found = (self.kept.get((endpoint.id, secret.slot), []) for secret in endpoint.valid_secrets(now))
        wanted = zip(found, endpoint.valid_secrets(now), strict=True)
        return tuple(versions[secret.version - 1] for versions, secret in wanted if versions)


@contextlib.contextmanager
def loaded(verb: str, variables: dict[str, str]) -> Iterator[ModuleType]:
    """Load the function's app module with its environment.

    Several functions can be loaded at once, although their modules have the same names.
    """
    folder = str(FUNCTIONS / verb)
    foreign = {name for name in os.environ if FOREIGN.fullmatch(name)}
    before = {name: os.environ.get(name) for name in foreign | variables.keys()}
    known = set(sys.modules)
    for name in foreign - variables.keys():
        del os.environ[name]
    os.environ.update(variables)
    sys.path.insert(0, folder)
    try:
        app = importlib.import_module("app")
    finally:
        sys.path.remove(folder)
        for name in set(sys.modules) - known:
            if str(getattr(sys.modules[name], "__file__", None)).startswith(folder):
                del sys.modules[name]
    if verb == "manage":
        app.app.secrets = HeldSecrets()
    try:
        yield app
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
