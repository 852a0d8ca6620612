"""Values that every decision makes by the dozen: immutable to the type checker, cheap at run time.

A frozen dataclass sets each field through `object.__setattr__`, which takes three times as long as an assignment. That
was a tenth of a decision. mypy refuses assignments to the fields of these classes as it does for frozen ones. They have
no hash: a value that is a key of a mapping stays a frozen dataclass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def value(*, kw_only: bool = True) -> Callable[[type[T]], type[T]]:
    """Make a dataclass with slots whose fields only the type checker protects."""
    return dataclass(slots=True, kw_only=kw_only)
