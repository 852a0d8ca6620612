"""README names all that is planned and missing, and nothing that is there: made from the list, held to the code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tallygate.contracts.base.reading import Contract
from tallygate.contracts.base.routes import planned_routes
from tallygate.domain.entries import fact_types
from tallygate.domain.entries.fact_types import FACT_TYPES, FACT_TYPES_LATER
from tools import planned_surface as planned
from tools.planned import BEGIN, END, section
from tools.planned_surface import FIELDS, OTHERS, PARAMETERS, VALUES, missing, offered
from tools.routes import README, rows

LAYER = Path("layers/tallygate/python/tallygate")


@pytest.fixture(scope="module")
def routes() -> frozenset[str]:
    return frozenset(rows())


def test_the_readme_lists_what_is_missing(routes: frozenset[str]) -> None:
    listed = README.read_text().partition(BEGIN)[2].partition(END)[0]
    assert listed == section(routes), "run: python -m tools.planned"


def test_every_route_is_planned(routes: frozenset[str]) -> None:
    """So that nothing is answered under a name that the plan does not know, and a typo in the plan is found."""
    assert routes <= planned_routes()


def test_what_is_answered_is_not_missing(routes: frozenset[str]) -> None:
    def keys(found: tuple[str, ...]) -> set[str]:
        rows = (row.strip("`").rpartition(" ") for row in found)
        return {f"{method} {path}" for methods, _, path in rows for method in methods.split(", ")}

    assert keys(missing(routes).routes) == planned_routes() - routes
    assert keys(missing(routes - {"POST /v1/consume"}).routes) == planned_routes() - routes | {"POST /v1/consume"}
    assert missing(planned_routes()).routes == ()


@pytest.mark.parametrize("contract", FIELDS, ids=lambda contract: contract.__name__)
def test_every_field_of_a_contract_is_planned_and_every_missing_one_is_refused_by_name(
    contract: type[Contract],
) -> None:
    """A planned field that the contract does not know at all would be refused as unknown, as if it were a typo."""
    assert set(FIELDS[contract].split()) <= set(contract.model_fields)
    assert offered(contract) <= set(FIELDS[contract].split())


def test_every_value_and_parameter_that_is_taken_is_planned() -> None:
    for (contract, name), values in VALUES.items():
        assert planned.taken(contract, name), f"{contract.__name__}.{name} has no words"
        assert planned.taken(contract, name) <= set(values.split())
    for route, names in PARAMETERS.items():
        assert set(rows()[route].query) <= set(names.split())


def test_every_event_is_planned_and_stated_where_it_says_so() -> None:
    assert set(planned.EVENTS.split()) == {*FACT_TYPES, *FACT_TYPES_LATER}
    named: set[str] = set()
    texts: set[object] = set()
    for path in LAYER.rglob("*.py"):
        if path.name not in ("fact_types.py", "planned.py"):
            nodes = list(ast.walk(ast.parse(path.read_text())))
            named |= {node.id for node in nodes if isinstance(node, ast.Name)}
            named |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
            texts |= {node.value for node in nodes if isinstance(node, ast.Constant)}
    stated = {value for name, value in vars(fact_types).items() if name in named and isinstance(value, str)}
    assert stated >= set(FACT_TYPES), "nothing states it: it belongs to FACT_TYPES_LATER"
    assert texts.isdisjoint({*FACT_TYPES, *FACT_TYPES_LATER}), "a type of facts is named in the one list alone"


def test_what_the_contracts_do_not_show_is_listed() -> None:
    listed = " ".join(README.read_text().partition(BEGIN)[2].partition(END)[0].split())
    assert all(text in listed for text in OTHERS)


def test_values_that_are_refused_as_not_available_yet_are_listed() -> None:
    listed = "; ".join(missing(frozenset()).values)
    assert "`unknown_events` of a catalog's settings: `park`" in listed
    assert "`unknown_customers` of a catalog's settings: `park`" in listed
