"""The OpenAPI document as a value: every example is of its contract, and check loads no contract of an answer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator
from pydantic import TypeAdapter

from tallygate.contracts import openapi
from tallygate.contracts.base.bodies import AnswerBody, QuantityOut
from tallygate.contracts.base.examples import example
from tallygate.contracts.catalog.catalog import declared_in
from tallygate.contracts.facts.events import events
from tallygate.contracts.schemas import event_schemas, schemas_of
from tallygate.domain.base.json import read_json, write_json
from tallygate.domain.entries.fact_types import FACT_TYPES
from tools.routes import rows

WITH_THE_LAYER = {**os.environ, "PYTHONPATH": "layers/tallygate/python"}
QUANTITY = TypeAdapter(QuantityOut)


def answer_types() -> Iterator[Any]:
    """Every contract of an answer, events included."""
    for kinds in (openapi.answers_of(row) for row in rows().values() if row.answers.example is None):
        for by_media in kinds.values():
            yield from by_media.values()
    waiting = list(AnswerBody.__subclasses__())
    while waiting:
        contract = waiting.pop()
        waiting += contract.__subclasses__()
        yield contract


def test_every_example_of_an_answer_is_one() -> None:
    types = list(dict.fromkeys(answer_types()))
    schemas, named = schemas_of(types)
    for kind, schema in zip(types, schemas, strict=True):
        shown = example(schema, named)
        TypeAdapter(kind).validate_python(read_json(write_json(shown)))


def test_the_example_of_a_row_is_one() -> None:
    shown = [row for row in rows().values() if row.answers.example is not None]
    assert shown
    for row in shown:
        contract = TypeAdapter(openapi.named(row.answers.body))
        contract.validate_python(row.answers.example, context=declared_in(row.answers.example))


def test_every_event_has_a_contract_with_an_example() -> None:
    listed = event_schemas()["data"]
    assert {each["type"] for each in listed} == set(FACT_TYPES) == set(events())
    for each in listed:
        Draft202012Validator(each["schema"]).validate(each["example"])
        events()[each["type"]].model_validate(each["example"])
        assert {"customer", "feature", "sequence"} <= each["example"]["data"].keys(), each["type"]


def test_a_body_of_another_form_is_none() -> None:
    crossed = events()["usage.threshold_crossed"]
    shown = next(each for each in event_schemas()["data"] if each["type"] == "usage.threshold_crossed")["example"]
    for broken in ({**shown, "more": 1}, {**shown, "type": "usage.denied"}, {**shown, "time": "2026-11-21 12:00"}):
        with pytest.raises(ValueError):
            crossed.model_validate(broken)


@pytest.mark.parametrize(
    ("stated", "is_one"),
    [
        ("1", False),
        (1, True),
        (10**15, True),
        (10**15 + 1, False),
        (str(10**15 + 1), True),
        ("1.50", False),
        (True, False),
    ],
)
def test_a_quantity_has_one_form(stated: Any, is_one: bool) -> None:
    if is_one:
        assert QUANTITY.validate_python(stated) == stated
    else:
        with pytest.raises(ValueError):
            QUANTITY.validate_python(stated)


def test_check_and_ingest_load_no_contract_of_an_answer() -> None:
    """Their first request waits for what they load."""
    loads = (
        "import sys; import tallygate.contracts.admission.check, tallygate.contracts.admission.explanations, "
        "tallygate.contracts.corrections.settlements, tallygate.contracts.metering.ingest, tallygate.http; "
        "print('tallygate.contracts.base.bodies' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True, env=WITH_THE_LAYER)
    assert done.stdout.strip() == "False"
