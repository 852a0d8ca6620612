"""What keeps entries and the writes of cells in one place, read off the syntax trees of the layer.

A cell's write goes through `storage.entries.writes.CellWrite`: so none is without its entry or its revision. What
depends
on the kind of an entry is said by the kind itself, in `domain.entries`: so a new kind is one class, and no other module
has to learn of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LAYER = Path(__file__).resolve().parents[2] / "layers" / "tallygate" / "python" / "tallygate"
ENTRIES = LAYER / "domain" / "entries"
CELL_WRITES = LAYER / "storage" / "entries" / "writes.py"
WRITES = {"Update", "Put", "Delete"}
OF_EVERY_WRITE = {
    ("Set", "LAST"),
    ("Set", "'last'"),
    ("Increase", "items.REVISION"),
    ("Set", "items.REVISION"),
    ("Increase", "'n'"),
}
"""Changes that every write of a cell makes, and no other write does, and the attributes that they name."""

ASKING = {
    (
        "storage/journal/decisions.py",
        "look",
    ): "a decision that is found is a use or its settlement",
}
"""(module, function) outside of the entries that names several kinds and is no switch, and why."""


def trees(folder: Path) -> list[tuple[str, ast.Module]]:
    """Every module under the folder by its path in the layer."""
    return [(str(path.relative_to(LAYER)), ast.parse(path.read_text())) for path in sorted(folder.rglob("*.py"))]


def functions(tree: ast.Module) -> Iterator[tuple[str, list[ast.AST]]]:
    """Each function and method with all that is in it, and what is in none (``)."""
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and id(node) not in inside:
            parts = list(ast.walk(node))
            inside |= {id(part) for part in parts}
            yield node.name, parts
    yield "", [node for node in ast.walk(tree) if id(node) not in inside]


def called(node: ast.Call) -> str:
    return ast.unparse(node.func).rpartition(".")[2]


# --- one constructor of a cell's write


def names_a_cell(node: ast.AST, known: set[str]) -> bool:
    """Whether an expression makes the key of a cell, or is a name that was given one."""
    return any(
        (isinstance(part, ast.Attribute) and ast.unparse(part) == "keys.cell")
        or (isinstance(part, ast.Name) and part.id in known)
        for part in ast.walk(node)
    )


def cell_keys(parts: list[ast.AST]) -> set[str]:
    """Names that a function gives to keys of cells: `key = keys.cell(…)`, and not to what is read by them."""
    return {
        target.id
        for part in parts
        if isinstance(part, ast.Assign) and isinstance(part.value, ast.Call)
        if ast.unparse(part.value.func) == "keys.cell"
        for target in part.targets
        if isinstance(target, ast.Name)
    }


def writes_of_cells(parts: list[ast.AST]) -> Iterator[str]:
    """Calls that make a cell's write, or what only a cell's write has."""
    known = cell_keys(parts)
    for part in parts:
        if not isinstance(part, ast.Call):
            continue
        keys = [*part.args[:1], *(keyword.value for keyword in part.keywords if keyword.arg == "key")]
        if called(part) in WRITES and any(names_a_cell(key, known) for key in keys):
            yield f"{part.lineno}: {called(part)} of a cell's key"
        if part.args and (called(part), ast.unparse(part.args[0])) in OF_EVERY_WRITE:
            yield f"{part.lineno}: {ast.unparse(part)[:60]}"


def test_only_a_cell_write_makes_an_update_of_a_cell() -> None:
    found = {
        f"{module}:{what}"
        for module, tree in trees(LAYER)
        if LAYER / module != CELL_WRITES
        for _, parts in functions(tree)
        for what in writes_of_cells(parts)
    }
    assert found == set(), "a cell is written by storage.entries.writes.CellWrite"


@pytest.mark.parametrize(
    "code",
    [
        "engine.write(Update(key=keys.cell(cell), changes=changes))",
        "key = keys.cell(cell)\nupdate = Update(key, changes)",
        "engine.write(Put(key=keys.cell(name), item=item))",
        "Set(LAST, text)",
        "expressions.Set('last', text)",
        "Increase(items.REVISION, 1)",
        "Increase('n', 1)",
    ],
)
def test_a_write_of_a_cell_is_noticed(code: str) -> None:
    ((_, parts),) = functions(ast.parse(code))
    assert list(writes_of_cells(parts))


@pytest.mark.parametrize(
    "code",
    [
        "cell = items.cell_of(engine.get(keys.cell(name)))\nUpdate(key=keys.total(cell.version), changes=())",
        "Update(key=keys.effective(customer), changes=(Set('doc', text),))",
        "Increase(REVISION, 1)",
        "Update(key=cursor, changes=(Set('n', number),))",
    ],
)
def test_another_write_is_none_of_a_cell(code: str) -> None:
    ((_, parts),) = functions(ast.parse(code))
    assert not list(writes_of_cells(parts))


# --- no switch over kinds of entries


def kinds() -> set[str]:
    """The classes of entries."""
    return {
        node.name
        for _, tree in trees(ENTRIES)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name.endswith("Entry")
    }


KINDS = kinds()


def named(node: ast.AST, aliases: dict[str, set[str]]) -> set[str]:
    """The kinds that an expression or a pattern names, also by another name of the module."""
    found: set[str] = set()
    for part in ast.walk(node):
        name = part.id if isinstance(part, ast.Name) else part.attr if isinstance(part, ast.Attribute) else ""
        found |= {name} & KINDS | aliases.get(name, set())
    return found


def aliases_in(tree: ast.Module) -> dict[str, set[str]]:
    """Names that a module gives to several kinds: `_COUNTING = UseEntry | SettleEntry`."""
    return {
        target.id: found
        for node in tree.body
        if isinstance(node, ast.Assign) and (found := named(node.value, {}))
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def switches(parts: list[ast.AST], aliases: dict[str, set[str]]) -> Iterator[str]:
    """Where a function does one thing for one kind and another for another."""
    asked: dict[str, set[str]] = {}
    first: dict[str, int] = {}
    for part in parts:
        if isinstance(part, ast.Match):
            cases = set().union(*(named(case.pattern, aliases) for case in part.cases))
            if len(cases) > 1:
                yield f"{part.lineno}: match over {', '.join(sorted(cases))}"
        elif isinstance(part, ast.Dict):
            by_kind = set().union(*(named(key, {}) for key in part.keys if isinstance(key, ast.Name | ast.Attribute)))
            if len(by_kind) > 1:
                yield f"{part.lineno}: table by {', '.join(sorted(by_kind))}"
        elif isinstance(part, ast.Call) and called(part) == "isinstance":
            subject = ast.unparse(part.args[0])
            asked.setdefault(subject, set()).update(named(part.args[1], aliases))
            first.setdefault(subject, part.lineno)
        elif isinstance(part, ast.Compare) and ast.unparse(part.left).startswith("type("):
            subject = ast.unparse(part.left)[len("type(") : -1]
            asked.setdefault(subject, set()).update(named(part, aliases))
            first.setdefault(subject, part.lineno)
    for subject, found in asked.items():
        if len(found) > 1:
            yield f"{first[subject]}: {subject} is asked whether it is {', '.join(sorted(found))}"


def test_no_module_but_the_entries_switches_over_kinds_of_entries() -> None:
    found = {
        f"{module}:{what}"
        for module, tree in trees(LAYER)
        if ENTRIES not in (LAYER / module).parents and module != "storage/entries/entries.py"
        for function, parts in functions(tree)
        if (module, function) not in ASKING
        for what in switches(parts, aliases_in(tree))
    }
    assert found == set(), "say it in the kinds themselves, in domain.entries"


def test_every_exception_is_one() -> None:
    """The list keeps nothing that is not there any more."""
    by_module = dict(trees(LAYER))
    for module, function in ASKING:
        assert list(switches(dict(functions(by_module[module]))[function], aliases_in(by_module[module])))


@pytest.mark.parametrize(
    "code",
    [
        "match entry:\n  case UseEntry():\n    a()\n  case SettleEntry(id=i) | usage.EventEntry():\n    b()",
        "if isinstance(entry, UseEntry):\n  a()\nelif isinstance(entry, SettleEntry):\n  b()",
        "found = [e for e in entries if isinstance(e, (UseEntry, EventEntry))]",
        "_BOTH = UseEntry | EventEntry\nfound = isinstance(entry, _BOTH)",
        "SIZES = {UseEntry: 1, EventEntry: 2}",
        "if type(entry) is UseEntry or type(entry) is EventEntry:\n  a()",
    ],
)
def test_a_switch_over_kinds_is_noticed(code: str) -> None:
    tree = ast.parse(code)
    ((_, parts),) = functions(tree)
    assert list(switches(parts, aliases_in(tree)))


@pytest.mark.parametrize(
    "code",
    [
        "if isinstance(entry, UseEntry):\n  a()\nelif isinstance(other, SettleEntry):\n  b()",
        "match change:\n  case TotalChange():\n    a()\n  case UseEntry():\n    b()",
        "found: UseEntry | SettleEntry = last",
    ],
)
def test_to_ask_for_one_kind_is_no_switch(code: str) -> None:
    tree = ast.parse(code)
    ((_, parts),) = functions(tree)
    assert not list(switches(parts, aliases_in(tree)))
