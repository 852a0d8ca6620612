"""The emulator's process: MiniStack with three additions for which it has no setting.

It runs under the emulator's own interpreter, which is also the Lambda runtime. So it must not import anything of this
project. Its additions must not reach the workers, which are new processes.

1. The SAM transform. MiniStack expands a template with aws-sam-translator, which brings pydantic and other packages.
   Installed in the emulator's environment, they would be available to every function, and a layer without one of them
   would still work here. So this process alone gets them from the SAM CLI's environment.
2. dynamodb:LeadingKeys. MiniStack evaluates IAM conditions but does not know this key. A missing key satisfies
   ForAllValues, so the privileges by partition-key prefix would be enforced on AWS only.
3. A queue's MaximumConcurrency as a number. AWS converts a parameter of type Number to the property's type. MiniStack
   passes it on as text, and its queue reader compares the text with a number.
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
    """Return the partition keys of a DynamoDB request, as AWS puts them into dynamodb:LeadingKeys.

    A query on the index has shards as partition keys, which no policy restricts: it names none here. Each action of a
    transaction is judged by the keys of all actions: AWS does not document which keys it uses, and this is stricter.
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
    """The partition key of a query on the table: the value that its condition compares with the key."""
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
            # DynamoDB will not accept this request either.
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
