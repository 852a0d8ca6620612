"""The choice of the client: the small one where it is certain to do what boto3 would do, boto3 everywhere else.

The choice reads environment variables only. A variable that could change boto3's requests, and every `AWS_` variable
that is not known to be harmless, selects boto3: a new setting of AWS is thus slower, never ignored.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from tallygate.storage.base.client import HttpClient, endpoint_of
from tallygate.storage.base.failures import Client
from tallygate.storage.base.signing import ContainerCredentials, EnvironmentCredentials

_READ = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
}
"""Variables that this client reads as boto3 does."""
_HARMLESS = {
    # Lambda's second names of the credentials, and its own.
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_EXECUTION_ENV",
    "AWS_SAM_LOCAL",
    # The instance's role is never asked for credentials here.
    "AWS_EC2_METADATA_DISABLED",
    # boto3's retries are off in any case.
    "AWS_MAX_ATTEMPTS",
    "AWS_RETRY_MODE",
}
_HARMLESS_PREFIXES = ("AWS_LAMBDA_", "AWS_XRAY_", "AWS_ENDPOINT_URL_")
_ELSEWHERE = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE", "BOTO_CONFIG"}
"""Variables without AWS's prefix that botocore reads, in any case of letters."""
_FILES = {"AWS_CONFIG_FILE": ".aws/config", "AWS_SHARED_CREDENTIALS_FILE": ".aws/credentials"}
_SUFFIXES = {
    r"(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-\d+": "amazonaws.com",
    r"us-gov-[a-z]+-\d+": "amazonaws.com",
    r"cn-[a-z]+-\d+": "amazonaws.com.cn",
}
_SANDBOX = {"localhost", "169.254.170.2", "169.254.170.23"}
"""Hosts that may be asked for credentials without TLS, beside loopback addresses."""


def client_for(environment: Mapping[str, str]) -> Client:
    """Return a client for the environment. Its `why` is empty for the small client."""
    why = boto3_because(environment)
    endpoint = endpoint_of(endpoint_url(environment)) if why is None else None
    if why is not None or endpoint is None:
        from tallygate.storage.base.boto import boto_client  # noqa: PLC0415  # its import takes most of a cold start

        logging.getLogger(__name__).warning("DynamoDB is called through boto3: %s", why)
        return boto_client(why or "")
    keyed = environment.get("AWS_ACCESS_KEY_ID")
    credentials = EnvironmentCredentials(environment) if keyed else ContainerCredentials(environment)
    return HttpClient(endpoint, _region(environment), credentials)


def boto3_because(environment: Mapping[str, str]) -> str | None:
    """Return why the environment needs boto3; None: the small client serves."""
    for name, value in environment.items():
        if name.startswith("AWS_"):
            if name not in _READ and name not in _HARMLESS and not name.startswith(_HARMLESS_PREFIXES):
                return f"{name} is set"
        elif value and name.upper() in _ELSEWHERE:
            return f"{name} is set"
    for name, usual in _FILES.items():
        path = environment.get(name)
        if path not in (None, os.devnull) or (path is None and _exists(environment, usual)):
            return f"there is a file of settings: {name}"
    key_id, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    asked = not key_id and _may_ask(environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
    if not (key_id and secret) and not asked:
        return "the credentials are neither in the environment nor at the sandbox's endpoint"
    if not _region(environment):
        return "no region is set"
    if endpoint_of(endpoint_url(environment)) is None:
        return "the endpoint is none that the small client knows"
    return None


def endpoint_url(environment: Mapping[str, str]) -> str:
    """Return the endpoint that boto3 would use; empty: only boto3 knows it."""
    configured = environment.get("AWS_ENDPOINT_URL_DYNAMODB") or environment.get("AWS_ENDPOINT_URL")
    if configured:
        return configured
    region = _region(environment)
    suffixes = [suffix for regions, suffix in _SUFFIXES.items() if re.fullmatch(regions, region)]
    return f"https://dynamodb.{region}.{suffixes[0]}" if suffixes else ""


def _region(environment: Mapping[str, str]) -> str:
    return environment.get("AWS_DEFAULT_REGION") or environment.get("AWS_REGION") or ""


def _exists(environment: Mapping[str, str], usual: str) -> bool:
    home = environment.get("HOME")
    return home is not None and (Path(home) / usual).exists()


def _may_ask(uri: str | None) -> bool:
    """Return whether credentials may be fetched from here: by TLS, or inside the sandbox."""
    parts = urllib.parse.urlsplit(uri or "")
    host = parts.hostname or ""
    if parts.scheme == "https" or host in _SANDBOX:
        return bool(host)
    try:
        return parts.scheme == "http" and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
