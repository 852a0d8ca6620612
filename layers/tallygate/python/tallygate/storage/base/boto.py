"""boto3 as a client of the engine: what `connect` falls back to, and what the rarely called functions use.

This module alone in storage imports boto3. botocore's own retries are off, because a write whose outcome is unknown
would be counted twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    SSLError,
)

from tallygate.errors import InvariantBroken
from tallygate.storage.base.client import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS
from tallygate.storage.base.failures import Answered, Unanswered, Unreached, Wire

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

METHODS = {
    "GetItem": "get_item",
    "BatchGetItem": "batch_get_item",
    "Query": "query",
    "PutItem": "put_item",
    "UpdateItem": "update_item",
    "DeleteItem": "delete_item",
    "TransactWriteItems": "transact_write_items",
}


def client_config() -> Config:
    """Return the botocore configuration of the engine: no hidden retries, short time-outs, kept connections."""
    return Config(
        retries={"total_max_attempts": 1},
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        max_pool_connections=32,
        parameter_validation=False,
        tcp_keepalive=True,
    )


class BotoClient:
    """One boto3 client made with `client_config()`."""

    def __init__(self, client: DynamoDBClient, why: str = "boto3 was asked for") -> None:
        self.client: Any = client
        self.why = why

    def send(self, operation: str, request: Wire) -> Wire:
        try:
            answer: Wire = getattr(self.client, METHODS[operation])(**request)
        except ClientError as error:
            raise _answered(error) from error
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            raise Unreached(str(error)) from error
        # A failure of TLS may come before the request or in the midst of it.
        except (HTTPClientError, SSLError, IncompleteReadError, ChecksumError) as error:
            raise Unanswered(str(error)) from error
        except BotoCoreError as error:
            raise InvariantBroken(f"the database client failed: {type(error).__name__}") from error
        return answer


def boto_client(why: str = "boto3 was asked for") -> BotoClient:
    """Return a client of the process's environment."""
    return BotoClient(boto3.client("dynamodb", config=client_config()), why)


def _answered(error: ClientError) -> Answered:
    response: Any = error.response
    stated = response.get("Error", {})
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return Answered(stated.get("Code", ""), status, {**response, "message": stated.get("Message", "")})
