"""ETag and If-Match (RFC 9110): the version of what a request reads or replaces, as a strong entity tag."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tallygate.domain.versions import Expected

_TAG = re.compile(r'\s*(W/)?"([^"]*)"\s*')


def etag(version: int) -> str:
    return f'"{version}"'


def expected(headers: Mapping[str, str]) -> Expected | None:
    """What If-Match demands; None without one. A weak or foreign tag matches nothing, as the RFC has it."""
    given = headers.get("if-match")
    if given is None:
        return None
    if given.strip() == "*":
        return Expected(None)
    tags = [_TAG.fullmatch(part) for part in given.split(",")]
    strong = {tag[2] for tag in tags if tag is not None and tag[1] is None}
    return Expected(frozenset(int(text) for text in strong if text.isascii() and text.isdigit() and len(text) < 16))
