"""The HTTP API in front of the functions, as a WSGI app: it finds the route, makes the event and renders the answer.

The event is as the gateway makes it: header names in lower case, decoded path parameters, repeated query parameters
joined with commas, a body that is not text in base64. Every caller has all scopes.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import ModuleType
from typing import Any

StartResponse = Callable[[str, list[tuple[str, str]]], object]
KEY = {"key_id": "key_1", "scopes": "ingest check read manage", "customer": ""}


@dataclass(frozen=True)
class Matched:
    """The route of a path, its function, and the path's parameters."""

    key: str
    function: ModuleType
    path: Mapping[str, str]


class Gateway:
    """Sends each request to the function that has its route."""

    def __init__(self, *functions: ModuleType) -> None:
        self.rows = [(route, function) for function in functions for route in function.ROUTES.values()]
        self.fallback = functions[0]

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        matched = self.matched(environ["REQUEST_METHOD"], self._path(environ))
        result = matched.function.handler(self._event(environ, matched), None)
        status = HTTPStatus(result["statusCode"])
        start_response(f"{status.value} {status.phrase}", list(result["headers"].items()))
        return [result["body"].encode("utf-8", "surrogatepass")]

    def matched(self, method: str, path: str) -> Matched:
        """The route of a request; `$default` without one. A fixed part of a path wins over a parameter."""
        found = []
        for route, function in self.rows:
            pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(route.path))
            match = re.fullmatch(pattern, path)
            if match is not None and route.method == method:
                named = {name: urllib.parse.unquote(value) for name, value in match.groupdict().items()}
                found.append((len(named), Matched(route.key, function, named)))
        if not found:
            return Matched("$default", self.fallback, {})
        return min(found, key=lambda each: each[0])[1]

    @staticmethod
    def _path(environ: Mapping[str, Any]) -> str:
        """The path as it was sent. Without the raw address, an encoded slash is lost: WSGI decodes the path."""
        raw: str = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
        if raw:
            return urllib.parse.urlsplit(raw).path
        decoded: str = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        return urllib.parse.quote(decoded, safe="/")

    def _event(self, environ: Mapping[str, Any], matched: Matched) -> dict[str, Any]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        headers = {
            name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")
        }
        if environ.get("CONTENT_TYPE"):
            headers["content-type"] = environ["CONTENT_TYPE"]
        asked = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True, errors="replace")
        try:
            text, encoded = body.decode(), False
        except UnicodeDecodeError:
            text, encoded = base64.b64encode(body).decode(), True
        event = {
            "version": "2.0",
            "routeKey": matched.key,
            "rawPath": self._path(environ),
            "rawQueryString": environ.get("QUERY_STRING", ""),
            "headers": headers,
            "queryStringParameters": {name: ",".join(values) for name, values in asked.items()},
            "pathParameters": dict(matched.path),
            "requestContext": {
                "authorizer": {"lambda": KEY},
                "http": {"method": environ["REQUEST_METHOD"], "path": self._path(environ), "sourceIp": "203.0.113.7"},
                "requestId": uuid.uuid4().hex,
                "routeKey": matched.key,
                "stage": "$default",
            },
            "body": text,
            "isBase64Encoded": encoded,
        }
        as_sent: dict[str, Any] = json.loads(json.dumps(event))
        return as_sent
