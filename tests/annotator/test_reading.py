"""The reading view of a trace: conversations, tool calls, fields, steps; and what is odd never fails."""

from __future__ import annotations

import json
from typing import Any

import pytest

from annotator.models import Span
from annotator.presenters.reading import reading_of
from annotator.presenters.steps import TIMELINE_WIDTH, steps_of
from annotator.services.trace_text import SEARCH_LENGTH, previews_and_text


def chat(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"messages": list(messages)}


def test_a_conversation_has_its_turns_and_the_last_reply() -> None:
    reading = reading_of(
        chat({"role": "user", "content": "Hi"}),
        {"message": {"role": "assistant", "content": "Hello"}},
    )
    assert [(turn.kind, turn.text) for turn in reading.turns] == [
        ("user", "Hi"),
        ("assistant", "Hello"),
    ]


def test_a_tool_call_gets_its_result_and_its_time() -> None:
    call = {"id": "c1", "function": {"name": "lookup", "arguments": json.dumps({"order": "A-7"})}}
    reading = reading_of(
        chat(
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": json.dumps([1, 2, 3])},
        ),
        None,
        tool_times=[("other", 5.0), ("lookup", 120.0)],
    )
    [turn] = reading.turns
    [tool] = turn.tool_calls
    assert tool.summary == 'lookup(order="A-7")'
    assert (tool.result_summary, tool.duration_ms) == ("3 items", 120.0)


def test_results_find_their_calls_by_id_whatever_their_order() -> None:
    calls = [{"id": name, "function": {"name": "get", "arguments": "{}"}} for name in ("a", "b")]
    reading = reading_of(
        chat(
            {"role": "assistant", "tool_calls": calls},
            {"role": "tool", "tool_call_id": "b", "content": "second"},
            {"role": "tool", "tool_call_id": "a", "content": "first"},
        ),
        None,
    )
    assert [call.result for call in reading.turns[0].tool_calls] == ["first", "second"]


def test_calls_and_results_in_content_parts_are_understood() -> None:
    reading = reading_of(
        chat(
            {"role": "assistant", "content": [{"type": "text", "text": "Let me see."}, {"type": "tool_use", "id": "t", "name": "find", "input": {"q": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "found"}]}]},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
        ),
        None,
    )  # fmt: skip
    assert reading.turns[0].text == "Let me see."
    assert reading.turns[0].tool_calls[0].result == "found"
    assert reading.turns[1].data == ({"type": "image_url", "image_url": {"url": "x"}},)


def test_a_result_without_a_call_is_a_turn_of_its_own() -> None:
    reading = reading_of(
        chat({"role": "tool", "tool_call_id": "lost", "content": '{"a": 1}'}), None
    )
    assert reading.turns[0].data == ({"a": 1},)


def test_what_is_beside_the_messages_is_kept() -> None:
    reading = reading_of({**chat({"role": "user", "content": "Hi"}), "tier": "gold"}, {"score": 3})
    assert [(field.name, field.text) for field in reading.inputs] == [("tier", "gold")]
    assert [(field.name, field.text) for field in reading.outputs] == [("score", "3")]


def test_named_fields_are_text_or_data() -> None:
    reading = reading_of({"question": "Why?", "hints": ["a"]}, "Because.")
    assert [(field.name, field.is_text) for field in reading.inputs] == [
        ("question", True),
        ("hints", False),
    ]
    assert [(field.name, field.text) for field in reading.outputs] == [("", "Because.")]


ODD: list[Any] = [
    None, True, 0, "", [], {}, [1, "a"], "half \ud800", {"messages": None}, {"messages": "text"}, {"messages": []},
    {"messages": [None, 1, "x"]}, chat({}), chat({"role": 5, "content": 7}), chat({"role": None, "content": {"a": 1}}),
    chat({"role": "assistant", "tool_calls": "x"}), chat({"role": "assistant", "tool_calls": [1, {}, {"function": 3}]}),
    chat({"role": "assistant", "tool_calls": [{"function": {"name": None, "arguments": "{bad"}}]}),
    chat({"role": "tool", "content": None}), chat({"role": "user", "content": [None, 1, [], {"text": 4}]}),
    chat({"role": "user", "content": [{"type": "tool_result", "content": {"a": [1]}}]}), {"\ud800": float("nan")},
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_whatever_is_odd_is_shown_somehow(odd: Any) -> None:
    for inputs, outputs in ((odd, None), (None, odd), (odd, odd)):
        reading = reading_of(inputs, outputs, tool_times=[("tool", None)])
        for turn in reading.turns:
            for call in turn.tool_calls:
                (call.summary + call.result_summary).encode()
        for text in previews_and_text(inputs, outputs):
            text.encode()
            assert "\x00" not in text


def test_previews_are_the_last_question_and_the_last_answer() -> None:
    turns = chat(
        {"role": "user", "content": "First"},
        {"role": "assistant", "content": "One"},
        {"role": "user", "content": "**Second**\nline"},
    )
    request, response, text = previews_and_text(
        turns, {"message": {"role": "assistant", "content": "Two"}}
    )
    assert (request, response) == ("Second line", "Two")
    assert all(word in text for word in ("First", "One", "Second", "Two"))


def test_the_search_text_is_bounded_and_begins_with_the_answer() -> None:
    request, _, text = previews_and_text(
        {"system": "long " * 20_000, "order": 4711}, {"answer": "needle"}
    )
    assert text.startswith("needle")
    assert len(text) <= SEARCH_LENGTH
    assert len(request) <= 200


def span(
    span_id: str, parent: str = "", start: int = 0, end: int | None = 10, **fields: Any
) -> Span:
    return Span(
        span_id=span_id, parent_id=parent, name=span_id, start_ns=start, end_ns=end, **fields
    )


def test_steps_are_in_order_below_their_parents() -> None:
    spans = [span("c", "a", 6, 9), span("b", "a", 1, 5), span("d", "b", 2, 3), span("a", "", 0, 10)]
    steps = steps_of(spans)
    assert [(step.span.span_id, step.depth) for step in steps] == [
        ("a", 0),
        ("b", 1),
        ("d", 2),
        ("c", 1),
    ]
    assert [(step.x, step.width) for step in steps] == [
        (0, 1000),
        (100, 400),
        (200, 100),
        (600, 300),
    ]


@pytest.mark.parametrize(
    "spans",
    [
        [],
        [span("a", "missing")],
        [span("a", "a")],
        [span("a", "b"), span("b", "a")],
        [span("a", end=None)],
        [span("a", start=10, end=0), span("b", start=20, end=20)],
        [span(str(depth), str(depth - 1)) for depth in range(2_000)],
    ],
)
def test_steps_show_every_span_once_whatever_is_wrong_with_them(spans: list[Span]) -> None:
    steps = steps_of(spans)
    assert sorted(step.span.span_id for step in steps) == sorted(each.span_id for each in spans)
    assert all(
        step.x >= 0 and step.x + step.width <= TIMELINE_WIDTH and step.width > 0 for step in steps
    )
