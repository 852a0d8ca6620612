"""Calls of another function of the stack that wait for its answer."""

from __future__ import annotations

import json
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tallygate.errors import StoreUnavailable

READ_TIMEOUT_SECONDS = 20


def client_config() -> Any:
    """No hidden retries: the second call would repeat the work of the first."""
    return Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=READ_TIMEOUT_SECONDS)


class Functions:
    """Functions by name, through a Lambda client made with `client_config()`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def run(self, name: str, payload: dict[str, Any]) -> Any:
        """Run the function and return its answer. Raises StoreUnavailable `function_failed`; a retry is harmless."""
        try:
            result = self._client.invoke(
                FunctionName=name, InvocationType="RequestResponse", Payload=json.dumps(payload).encode()
            )
            answer = json.loads(result["Payload"].read() or b"null")
        except (ClientError, BotoCoreError, ValueError) as error:
            raise StoreUnavailable(f"{name} could not be run: {type(error).__name__}", code="function_failed") from None
        if "FunctionError" in result:
            raise StoreUnavailable(f"{name} failed: {str(answer)[:200]}", code="function_failed")
        return answer
