"""Examples of values, composed from a JSON schema and a table of values by field name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallygate.contracts.base.answers import JSON

_START, _END, _NOW = "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", "2026-11-21T12:00:00Z"
EXAMPLES: Mapping[str, tuple[Any, ...]] = {
    "action": ("subscription_changed",),
    "actor": ("ops@example.com",),
    "adjusted": (0,),
    "aggregation": ("sum",),
    "amount": (1000, None),
    "anchor": ("calendar",),
    "at": ("80%", _NOW),
    "audit_id": ("audit_5f0c9a4be1d27703aa64b1c8",),
    "base": (100000, "full"),
    "carried": (0,),
    "carried_out": (0,),
    "code": ("invalid_request",),
    "customer": ("acme",),
    "decision_id": ("dec_wSFwTbZ3a4QyH2n0kPqQxg",),
    "denied_by": (None,),
    "detail": ("must not be negative",),
    "dimensions": ({"model": "large"},),
    "disabled_reason": (None,),
    "docs": ("docs/problems/invalid_request.md",),
    "end": (_END,),
    "enforcement": ("hard",),
    "event_type": ("llm.completion",),
    "events": (["usage.*"],),
    "every": ("month",),
    "expires_after": (None,),
    "feature": ("ai-tokens",),
    "followed": (0,),
    "granted_amount": (1000,),
    "group": ({"model": "large"},),
    "held": (0,),
    "id": ("01JD9Z6B0W9M",),
    "key": ("tokens",),
    "key_id": ("key_0b86bbd1f1c60b1b6f2a9f5e",),
    "kind": ("quota",),
    "level": ("normal",),
    "level_now": ("normal",),
    "lifted": (["ai-tokens"],),
    "limit": (100000, "ai-tokens"),
    "limit_name": ("ai-tokens",),
    "max_grantable": (58000,),
    "message": ("Granted",),
    "meter": ("tokens",),
    "name": ("ai-tokens",),
    "next_cursor": (None,),
    "over_limit": (False,),
    "overage": (0, "forgive"),
    "per": ("minute",),
    "plan": ("pro",),
    "plan_version": (1,),
    "pointer": ("/amount",),
    "policy": ("notify_only",),
    "previous_plan": ("free",),
    "property": ("$.model",),
    "reason": ("agreed with the customer", "ok"),
    "remaining": (58000,),
    "replayed": (False, True),
    "requested": (1000,),
    "resets_at": (_END,),
    "retry_at": (None,),
    "retryable": (False,),
    "scope": ({"team": "eng"},),
    "scopes": (["check", "read"],),
    "secret": ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",),
    "sequence": (17,),
    "source": ("api",),
    "start": (_START,),
    "status": ("active", "accepted", "delivered", 422),
    "stripe_customer_id": ("cus_Na6dX7aXxi11N4",),
    "subject": ("acme",),
    "threshold": (80000,),
    "timezone": ("UTC",),
    "title": ("Invalid request",),
    "to": (_END,),
    "trace_id": ("4bf92f3577b34da6a3ce929d0e0e4736",),
    "traceparent": ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",),
    "type": ("llm.completion", "metered"),
    "unit": ("tokens",),
    "unlimited": (False,),
    "upgrade_limit": (1000000,),
    "upgrade_to": ("enterprise",),
    "upgrade_unlimited": (False,),
    "url": ("https://example.com/webhooks",),
    "usage": (42000, "keep"),
    "used": (42000,),
    "value": (None, 42000),
    "version": (1, "0.1.0"),
    "would_deny": (True,),
    "would_reason": ("quota_exceeded",),
}
"""Example values of a field, by its name. The first that the field's schema allows is used."""


def example(schema: JSON, named: JSON, name: str = "") -> Any:
    """Return an example of the schema. `name`: of the field that has it."""
    if "$ref" in schema:
        return example(named[_named(schema)], named, name)
    if "const" in schema:
        return schema["const"]
    for value in EXAMPLES.get(name, ()):
        if _allows(schema, value, named):
            return value
    if "examples" in schema:
        return schema["examples"][0]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return example(schema[several][0], named, name)
    return schema["enum"][0] if "enum" in schema else _by_type(schema, named)


def _named(schema: JSON) -> str:
    """Return the name of the definition to which a schema refers."""
    name: str = schema["$ref"].rpartition("/")[2]
    return name


def _by_type(schema: JSON, named: JSON) -> Any:
    match schema.get("type"):
        case "object":
            required, fields = schema.get("required", ()), schema.get("properties", {})
            return {key: example(field, named, key) for key, field in fields.items() if key in required}
        case "array":
            return [example(schema["items"], named)] if schema.get("items") else []
        case "boolean":
            return True
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "string":
            return _NOW if schema.get("format") == "date-time" else "text"
    return None


def _allows(schema: JSON, value: Any, named: JSON) -> bool:
    """Return whether the schema allows the value, as far as its type and a closed list of values say."""
    if "$ref" in schema:
        return _allows(named[_named(schema)], value, named)
    if "anyOf" in schema:
        return any(_allows(each, value, named) for each in schema["anyOf"])
    if "enum" in schema or "properties" in schema:
        return value in schema.get("enum", ())
    if schema.get("format") == "date-time":
        return value in (_START, _END, _NOW)
    kinds = {str: "string", bool: "boolean", int: "integer", list: "array", dict: "object", type(None): "null"}
    return schema.get("type") in (kinds[type(value)], "number" if type(value) is int else "")
