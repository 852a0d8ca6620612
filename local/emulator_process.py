"""What runs as the emulator: MiniStack with three additions that it has no setting for.

It runs under the emulator's own interpreter, which is the Lambda runtime as well, so it must not import
anything of this project, and what it adds must not reach the workers, which are started afresh.

1. The SAM transform. MiniStack expands a template with aws-sam-translator, which brings pydantic and more.
   Installed beside it, they would be there for every function, and a layer that lacks one would still work
   here. So they are lent from the SAM CLI's environment, to this process alone.
2. dynamodb:LeadingKeys. MiniStack evaluates IAM conditions but does not know this key, and an absent key
   satisfies ForAllValues: the privileges by partition-key prefix would be enforced on AWS only.
3. A queue's MaximumConcurrency as a number. MiniStack hands a parameter of type Number on as text, where AWS
   converts it to what the property is, and its reader of queues compares the text with a number.
"""

import json
import sys
from typing import Any

from ministack import app  # type: ignore[import-not-found, unused-ignore]
from ministack.core import iam_actions  # type: ignore[import-not-found, unused-ignore]
from ministack.services import lambda_svc  # type: ignore[import-not-found, unused-ignore]

PARTITION_KEY = "pk"
WRITES = ("Put", "Update", "Delete", "ConditionCheck", "Get")


def leading_keys(request: dict[str, Any]) -> list[str]:
    """The partition keys that a DynamoDB request names, as AWS puts them into dynamodb:LeadingKeys.

    A query on the index has its shards for partition keys, which no policy restricts; it names none here.
    The actions of a transaction are each judged by the keys of all: AWS does not say which, and this is stricter.
    """
    keys = [request.get("Key"), request.get("Item")]
    for action in request.get("TransactItems", []):
        for kind in WRITES:
            keys += [action.get(kind, {}).get("Key"), action.get(kind, {}).get("Item")]
    for table in request.get("RequestItems", {}).values():
        if isinstance(table, dict):
            keys += table.get("Keys", [])
        else:
            keys += [write.get("PutRequest", {}).get("Item") for write in table]
            keys += [write.get("DeleteRequest", {}).get("Key") for write in table]
    found = [key[PARTITION_KEY]["S"] for key in keys if key and PARTITION_KEY in key]
    return found + queried_keys(request)


def queried_keys(request: dict[str, Any]) -> list[str]:
    """The partition key of a query on the table: the value that its condition sets equal to the key."""
    condition = request.get("KeyConditionExpression")
    if not condition or "IndexName" in request:
        return []
    names = request.get("ExpressionAttributeNames", {})
    values = request.get("ExpressionAttributeValues", {})
    words = condition.replace("=", " = ").replace("(", " ").replace(")", " ").split()
    return [
        values[value]["S"]
        for name, sign, value in zip(words, words[1:], words[2:], strict=False)
        if sign == "=" and names.get(name, name) == PARTITION_KEY
    ]


def with_leading_keys(known: Any) -> Any:
    def service_context(body: bytes) -> dict[str, Any]:
        context: dict[str, Any] = known(body)
        try:
            found = leading_keys(json.loads(body or b"{}"))
        except (ValueError, AttributeError, KeyError, TypeError):
            # Not a request that DynamoDB will accept either.
            return context
        return context | ({"dynamodb:LeadingKeys": found} if found else {})

    return service_context


def with_a_number(known: Any) -> Any:
    def concurrency(mapping: dict[str, Any], *more: Any) -> Any:
        scaling = {name: int(value) for name, value in (mapping.get("ScalingConfig") or {}).items()}
        return known({**mapping, "ScalingConfig": scaling}, *more)

    return concurrency


if __name__ == "__main__":
    sys.path.append(sys.argv.pop(1))
    iam_actions.dynamodb_service_context = with_leading_keys(iam_actions.dynamodb_service_context)
    lambda_svc._sqs_esm_concurrency = with_a_number(lambda_svc._sqs_esm_concurrency)  # noqa: SLF001
    app.main()
