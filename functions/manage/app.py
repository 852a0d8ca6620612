"""Placeholder: answers 501 until the function is written."""

import json
from typing import Any


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    problem = {"title": "Not implemented", "status": 501, "code": "not_implemented"}
    headers = {"content-type": "application/problem+json"}
    return {"statusCode": 501, "headers": headers, "body": json.dumps(problem)}
