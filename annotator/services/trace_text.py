"""The texts that are kept of a trace beside its content: two previews for lists, and what the search looks into."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from annotator.models.traces import PREVIEW_LENGTH
from judges.answers import clean_text
from judges.entities import conversation_of

SEARCH_LENGTH = 20_000
_FIELD_LENGTH = 120
_MARKUP = re.compile(r"\*\*|`+|^#+ ", re.MULTILINE)


def previews_and_text(inputs: Any, outputs: Any) -> tuple[str, str, str]:
    """What lists show of a trace, and what its full-text search knows.

    Args:
        inputs: Those of the root span, any JSON.
        outputs: The same.

    Returns:
        The request's preview and the response's, each one line of at most 200 characters, and every text and number
        in the outputs and inputs, at most 20,000 characters. All three can be stored in any database.
    """
    turns = conversation_of(inputs, outputs)
    request = _last_said(turns, {"user", "human"}) or _preview(inputs)
    response = _last_said(turns, {"assistant", "ai"}) or _preview(outputs)
    return request, response, search_text_of(outputs, inputs)


def search_text_of(*parts: Any) -> str:
    """Every text and number in the parts, one a line, at most 20,000 characters."""
    lines: list[str] = []
    length = 0
    for text in _texts(list(parts)):
        lines.append(text[: SEARCH_LENGTH - length])
        length += len(lines[-1]) + 1
        if length >= SEARCH_LENGTH:
            break
    return clean_text("\n".join(lines))


def _last_said(turns: list[dict[str, Any]], roles: set[str]) -> str:
    for turn in reversed(turns):
        if str(turn.get("role")).lower() in roles and (text := _preview(turn.get("content"))):
            return text
    return ""


def _preview(data: Any) -> str:
    if isinstance(data, dict) and len(data) > 1:
        parts = (
            f"{name}: {_line(item, _FIELD_LENGTH)}"
            for name, item in data.items()
            if item not in (None, "")
        )
        return _line(" · ".join(parts), PREVIEW_LENGTH)
    return _line(data, PREVIEW_LENGTH)


def _line(data: Any, length: int) -> str:
    text = data if isinstance(data, str) else " ".join(_texts(data))
    line = " ".join(_MARKUP.sub("", clean_text(text[: length * 5])).split())
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def _texts(data: Any) -> Iterator[str]:
    """Every text and number in the data, in order; without recursion, since traces may be nested to any depth."""
    waiting = [data]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting += reversed(item.values())
        elif isinstance(item, list):
            waiting += reversed(item)
        elif isinstance(item, (int, float)) and not isinstance(item, bool):
            yield str(item)
