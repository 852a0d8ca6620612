"""How long a stack may wait before it closes periods, and how long it keeps what they have to state."""

from __future__ import annotations

from typing import Any

from tallygate.domain.base.instants import SECOND
from tallygate.domain.limits.governing import CLOSE_GRACE_MAX


def test_limits_are_kept_for_the_longest_grace_that_can_be_deployed(template: dict[str, Any]) -> None:
    assert template["Parameters"]["CloseGraceSeconds"]["MaxValue"] * SECOND == CLOSE_GRACE_MAX
