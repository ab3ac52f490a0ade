"""JSON as folded HTML, within limits that keep a page usable whatever a trace carries."""

from __future__ import annotations

import json
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from judges.answers import clean_text

MOST_NODES = 2_000
DEEPEST = 12
OPEN_TO_DEPTH = 1
MOST_OPEN = 24
LONGEST_INLINE = 600
LONGEST_TEXT = 20_000

_MORE = "… more: see the raw view"


class _Budget:
    """How many nodes may still be drawn."""

    def __init__(self) -> None:
        self.left = MOST_NODES


def to_html(value: Any) -> SafeString:
    """The value as nested `<details>`; what exceeds the limits refers to the raw view."""
    return format_html('<div class="json">{}</div>', _node(value, 0, _Budget()))


def raw_text(value: Any) -> str:
    """The value as indented JSON text."""
    return clean_text(json.dumps(value, indent=2, ensure_ascii=False))


def _node(value: Any, depth: int, budget: _Budget) -> SafeString:
    budget.left -= 1
    if isinstance(value, dict) and value:
        return _branch(
            [(clean_text(str(key)), item) for key, item in value.items()],
            "{}",
            depth,
            budget,
            noun="key",
        )
    if isinstance(value, list) and value:
        items = [(str(position), item) for position, item in enumerate(value)]
        return _branch(items, "[]", depth, budget, noun="item")
    return _leaf(value)


def _branch(
    items: list[tuple[str, Any]], brackets: str, depth: int, budget: _Budget, *, noun: str
) -> SafeString:
    count = f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
    if depth >= DEEPEST:
        return format_html('<span class="json-more">{} {}</span>', count, _MORE)
    rows = []
    for key, item in items:
        if budget.left <= 0:
            rows.append(format_html('<li class="json-more">{}</li>', _MORE))
            break
        rows.append(
            format_html(
                '<li><span class="json-key">{}</span> {}</li>', key, _node(item, depth + 1, budget)
            )
        )
    is_open = depth <= OPEN_TO_DEPTH and len(items) <= MOST_OPEN
    return format_html(
        '<details class="json-branch"{}><summary>{} <span class="json-count">{}</span></summary>'
        '<ul class="json-list">{}</ul></details>',
        SafeString(" open") if is_open else "",
        brackets,
        count,
        format_html_join("", "{}", ((row,) for row in rows)),
    )


def _leaf(value: Any) -> SafeString:
    if isinstance(value, str):
        value = clean_text(value)
        shown = value[:LONGEST_TEXT]
        rest = _MORE if len(value) > LONGEST_TEXT else ""
        if len(value) > LONGEST_INLINE:
            return format_html(
                '<details class="json-branch"><summary><span class="json-string">{}…</span> '
                '<span class="json-count">{} characters</span></summary>'
                '<div class="json-text">{}{}</div></details>',
                value[:80],
                f"{len(value):,}",
                shown,
                rest,
            )
        return format_html('<span class="json-string">{}</span>', shown)
    return format_html(
        '<span class="json-{}">{}</span>',
        "null" if value is None else "scalar",
        json.dumps(value)
        if not isinstance(value, (dict, list))
        else ("{}" if isinstance(value, dict) else "[]"),
    )
