"""Parameters of paths and queries as declared: what each means, its values, and an example."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tallygate.contracts.base.names import IDENTIFIER_LENGTH_MAX, NAME_LENGTH_MAX, Rule, broken_identifier, broken_name
from tallygate.domain.admission import decision_ids

ON, OFF = ("1", "true", "yes"), ("0", "false", "no")
TEXT, SWITCH, NAME, IDENTIFIER, COUNT, TIME = "text", "switch", "name", "identifier", "count", "time"
PAGE_DEFAULT, PAGE_MAX = 20, 100


def _misspelt(value: str) -> Rule | None:
    return None if value in (*ON, *OFF) else ("not_allowed", f"must be one of {', '.join((*ON, *OFF))}")


def _read_by_the_route(_: str) -> None:
    """Keep no rule here: the route's own contract reads the value."""


_TEXT = {"type": "string"}
_KINDS: Mapping[str, tuple[dict[str, Any], Callable[[str], Rule | None]]] = {
    TEXT: (_TEXT, _read_by_the_route),
    SWITCH: ({**_TEXT, "enum": [*ON, *OFF]}, _misspelt),
    NAME: ({**_TEXT, "minLength": 1, "maxLength": NAME_LENGTH_MAX}, broken_name),
    IDENTIFIER: ({**_TEXT, "minLength": 1, "maxLength": IDENTIFIER_LENGTH_MAX}, broken_identifier),
    COUNT: ({"type": "integer", "minimum": 1, "maximum": PAGE_MAX}, _read_by_the_route),
    TIME: ({**_TEXT, "anyOf": [{"format": "date-time"}, {"format": "date"}]}, _read_by_the_route),
}
"""The JSON schema and the rule of each kind of parameter."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. The declaration `filter[dimension]` accepts any dimension.

    text: what it means
    example: a valid value
    words: all valid values; empty: the kind says which
    length_max: maximum number of characters; 0: the kind says it
    """

    text: str
    kind: str = TEXT
    example: str = ""
    words: tuple[str, ...] = ()
    length_max: int = 0

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the parameter's values."""
        schema = dict(_KINDS[self.kind][0])
        if self.words:
            schema["enum"] = list(self.words)
        if self.length_max:
            schema |= {"minLength": 1, "maxLength": self.length_max}
        return schema

    def broken(self, value: str) -> Rule | None:
        """Return the rule that the value breaks; None: none."""
        found = _KINDS[self.kind][1](value)
        if found is None or not self.example:
            return found
        return found[0], f"{found[1]}; for example {self.example}"


Query = Mapping[str, Parameter]
PAGE: Query = {
    "limit": Parameter(f"Maximum number of entries in the answer; default {PAGE_DEFAULT}.", COUNT, "50"),
    "cursor": Parameter("The next_cursor of the previous page.", TEXT, "aW1hZ2Vz"),
}
PATH: Query = {
    "customer": Parameter("Id of the customer.", NAME, "acme"),
    "feature": Parameter("Key of the feature.", NAME, "ai-tokens"),
    "name": Parameter("Name of the limit.", NAME, "ai-tokens"),
    "key": Parameter("Id of the API key.", IDENTIFIER, "key_0b86bbd1f1c60b1b6f2a9f5e"),
    "endpoint": Parameter("Id of the webhook endpoint.", IDENTIFIER, "we_5f0c9a4be1d27703aa64b1c8"),
    # The operation checks the form of a decision id.
    "decision_id": Parameter(
        "Id of a granted decision.", TEXT, "dec_wSFwTbZ3a4QyH2n0kPqQxg", length_max=decision_ids.LENGTH_MAX
    ),
}
"""The parameters of paths."""
