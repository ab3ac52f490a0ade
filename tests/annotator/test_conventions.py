"""What other libraries' attributes mean: traces of the common instrumentation libraries read like our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from annotator.ingest.conventions import understood
from annotator.ingest.limits import Limits
from annotator.ingest.otlp import decode_json
from annotator.models import Span, Team, Trace
from annotator.presenters.reading import reading_of
from annotator.records import SpanRecord
from annotator.services.deliveries import store_spans
from tests.factories import create_experiment
from tests.otlp_payloads import as_json, span

# What the exporters of these libraries sent for one and the same program: a request that calls a model twice.
CAPTURED = ("openinference", "openllmetry", "openllmetry_0_40")
EXPORTS = Path(__file__).parent / "exports"


def record(attributes: dict[str, Any], *events: tuple[str, dict[str, Any]]) -> SpanRecord:
    """A span with the attributes and events, as it would be stored."""
    made = span(1, attributes=attributes)
    inner = [span(1, attributes=fields)["attributes"] for _, fields in events]
    made["events"] = [
        {"name": name, "timeUnixNano": "1", "attributes": fields}
        for (name, _), fields in zip(events, inner, strict=True)
    ]
    (found,) = decode_json(as_json(made), Limits())
    return found


def turns(inputs: Any, outputs: Any) -> list[tuple[str, str, list[tuple[str, Any, Any]]]]:
    """What the reading view shows: who said what, with the tools' names, arguments and results."""
    return [
        (
            turn.kind,
            turn.text,
            [(call.name, call.arguments, call.result) for call in turn.tool_calls],
        )
        for turn in reading_of(inputs, outputs).turns
    ]


CONVERSATION = [
    ("system", "Be brief.", []),
    ("user", "How warm is it in Paris?", []),
    ("assistant", "", [("get_weather", {"city": "Paris"}, {"degrees": 18})]),
    ("assistant", "It is 18 degrees in Paris.", []),
]


@pytest.mark.django_db
@pytest.mark.parametrize("library", CAPTURED)
def test_what_a_real_library_exported_reads_as_the_conversation_it_was(library: str, team: Team):
    spans = decode_json((EXPORTS / f"{library}.json").read_bytes(), Limits())
    store_spans(experiment=create_experiment(team=team), spans=spans)
    trace = Trace.objects.get()
    assert turns(trace.inputs, trace.outputs) == CONVERSATION
    assert trace.request_preview == "How warm is it in Paris?"
    assert trace.response_preview == "It is 18 degrees in Paris."
    assert trace.tags == {"mlflow.traceName": "POST /chat", "service.name": "weather"}
    calls = Span.objects.exclude(parent_id="")
    assert {call.span_type for call in calls} <= {"LLM", "CHAT_MODEL"}
    for call in calls:
        assert call.attributes["mlflow.chat.tokenUsage"] == {
            "input_tokens": 20,
            "output_tokens": 7,
            "total_tokens": 27,
        }
        assert call.attributes["mlflow.llm.model"] == "gpt-4o-mini-2024"
        assert call.attributes["mlflow.llm.provider"].lower() == "openai"
    if library == "openinference":
        assert trace.conversation_id == "s-1"
        assert trace.metadata["mlflow.trace.user"] == "u-1"


PARTS_IN = [
    {"role": "user", "parts": [{"type": "text", "content": "How warm is it in Paris?"}]},
    {
        "role": "assistant",
        "parts": [
            {"type": "tool_call", "id": "c", "name": "get_weather", "arguments": {"city": "Paris"}}
        ],
    },
    {
        "role": "tool",
        "parts": [{"type": "tool_call_response", "id": "c", "response": '{"degrees": 18}'}],
    },
]
PARTS_OUT = [
    {
        "role": "assistant",
        "parts": [{"type": "text", "content": "It is 18 degrees in Paris."}],
        "finish_reason": "stop",
    }
]
INSTRUCTIONS = [{"type": "text", "content": "Be brief."}]
OLD_CALL = [
    {
        "id": "c",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
    }
]


@pytest.mark.parametrize(
    ("attributes", "events"),
    [
        pytest.param(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.system_instructions": json.dumps(INSTRUCTIONS),
                "gen_ai.input.messages": json.dumps(PARTS_IN),
                "gen_ai.output.messages": json.dumps(PARTS_OUT),
            },
            [],
            id="newest, as text",
        ),
        pytest.param(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.system_instructions": INSTRUCTIONS,
                "gen_ai.input.messages": PARTS_IN,
                "gen_ai.output.messages": PARTS_OUT,
            },
            [],
            id="newest, as values",
        ),
        pytest.param(
            {"gen_ai.operation.name": "chat"},
            [
                (
                    "gen_ai.client.inference.operation.details",
                    {
                        "gen_ai.system_instructions": INSTRUCTIONS,
                        "gen_ai.input.messages": PARTS_IN,
                        "gen_ai.output.messages": PARTS_OUT,
                    },
                )
            ],
            id="newest, in an event",
        ),
        pytest.param(
            {"gen_ai.operation.name": "chat"},
            [
                ("gen_ai.system.message", {"content": "Be brief."}),
                ("gen_ai.user.message", {"content": "How warm is it in Paris?"}),
                ("gen_ai.assistant.message", {"tool_calls": OLD_CALL}),
                ("gen_ai.tool.message", {"id": "c", "content": '{"degrees": 18}'}),
                (
                    "gen_ai.choice",
                    {"index": 0, "message": {"content": "It is 18 degrees in Paris."}},
                ),
            ],
            id="an event a message",
        ),
        pytest.param(
            {
                "pydantic_ai.all_messages": [
                    {"role": "system", "parts": INSTRUCTIONS},
                    *PARTS_IN,
                    *PARTS_OUT,
                ],
                "final_result": "It is 18 degrees in Paris.",
            },
            [],
            id="Pydantic AI",
        ),
        pytest.param(
            {
                "ai.operationId": "ai.generateText.doGenerate",
                "ai.prompt.messages": json.dumps(
                    [
                        {"role": "system", "content": "Be brief."},
                        {"role": "user", "content": "How warm is it in Paris?"},
                        {"role": "assistant", "content": None, "tool_calls": OLD_CALL},
                        {"role": "tool", "tool_call_id": "c", "content": '{"degrees": 18}'},
                    ]
                ),
                "ai.response.text": "It is 18 degrees in Paris.",
            },
            [],
            id="Vercel AI SDK",
        ),
    ],
)
def test_each_way_to_write_a_conversation_reads_the_same(
    attributes: dict[str, Any], events: list[tuple[str, dict[str, Any]]]
):
    found = record(attributes, *events)
    assert turns(found.inputs, found.outputs) == CONVERSATION
    if "pydantic_ai.all_messages" not in attributes:
        assert found.span_type == "CHAT_MODEL"


@pytest.mark.parametrize(
    ("attributes", "span_type", "inputs", "outputs"),
    [
        (
            {
                "openinference.span.kind": "CHAIN",
                "input.value": '{"question": "Why?"}',
                "input.mime_type": "application/json",
                "output.value": "So.",
            },
            "CHAIN",
            {"question": "Why?"},
            "So.",
        ),
        (
            {
                "openinference.span.kind": "RETRIEVER",
                "input.value": "lamps",
                "retrieval.documents.0.document.content": "A lamp.",
                "retrieval.documents.0.document.id": "d1",
                "retrieval.documents.0.document.score": 0.5,
                "retrieval.documents.1.document.content": "Two lamps.",
            },
            "RETRIEVER",
            "lamps",
            [{"page_content": "A lamp.", "id": "d1", "score": 0.5}, {"page_content": "Two lamps."}],
        ),
        (
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "get_weather",
                "gen_ai.tool.call.arguments": '{"city": "Paris"}',
                "gen_ai.tool.call.result": '{"degrees": 18}',
            },
            "TOOL",
            {"city": "Paris"},
            {"degrees": 18},
        ),
        (
            {
                "traceloop.span.kind": "workflow",
                "traceloop.entity.input": '{"args": ["x"]}',
                "traceloop.entity.output": '"y"',
            },
            "WORKFLOW",
            {"args": ["x"]},
            "y",
        ),
        ({"traceloop.span.kind": "task"}, "TASK", None, None),
        ({"gen_ai.operation.name": "invoke_agent"}, "AGENT", None, None),
        ({"gen_ai.operation.name": "embeddings"}, "EMBEDDING", None, None),
        ({"ai.operationId": "ai.toolCall", "ai.toolCall.args": "{}"}, "TOOL", {}, None),
        ({"openinference.span.kind": "agent"}, "AGENT", None, None),
        ({"http.route": "/chat"}, "UNKNOWN", None, None),
        ({"openinference.span.kind": "NEW KIND"}, "UNKNOWN", None, None),
        (
            {"mlflow.spanType": "LLM", "mlflow.spanInputs": {"q": 1}, "input.value": "other"},
            "LLM",
            {"q": 1},
            None,
        ),
    ],
)
def test_each_kind_of_step_is_known_by_what_it_says(
    attributes: dict[str, Any], span_type: str, inputs: Any, outputs: Any
):
    found = record(attributes)
    assert (found.span_type, found.inputs, found.outputs) == (span_type, inputs, outputs)


HUMAN = {"type": "human", "content": "How warm is it in Paris?", "id": "1"}
CALL = {"name": "get_weather", "args": {"city": "Paris"}, "id": "c", "type": "tool_call"}
STATE = [
    HUMAN,
    {"type": "ai", "content": "", "tool_calls": [CALL]},
    {"type": "tool", "content": '{"degrees": 18}', "tool_call_id": "c", "name": "get_weather"},
    {"type": "ai", "content": "It is 18 degrees in Paris.", "tool_calls": []},
]


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ({"messages": [HUMAN]}, {"messages": STATE}),
        ({"messages": [["user", HUMAN["content"]]]}, {"messages": STATE}),
        ({"messages": [[HUMAN]]}, {"messages": STATE[1:]}),
        (
            {
                "messages": [
                    [
                        {
                            "lc": 1,
                            "type": "constructor",
                            "id": ["langchain", "schema", "messages", "HumanMessage"],
                            "kwargs": {"content": HUMAN["content"], "type": "human"},
                        }
                    ]
                ]
            },
            {"messages": STATE},
        ),
        (
            {"inputs": {"messages": [HUMAN]}, "tags": [], "kwargs": {}},
            {"outputs": {"messages": STATE}, "kwargs": {}},
        ),
    ],
)
def test_the_states_of_a_graph_read_as_a_conversation_and_nothing_twice(inputs: Any, outputs: Any):
    found = record({"input.value": json.dumps(inputs), "output.value": json.dumps(outputs)})
    assert turns(found.inputs, found.outputs) == CONVERSATION[1:]


def test_what_was_sent_stays_beside_what_it_means():
    found = record({"input.value": '{"a": 1}', "llm.model_name": "m", "custom": "x"})
    assert found.attributes == {
        "input.value": {"a": 1},
        "llm.model_name": "m",
        "custom": "x",
        "mlflow.llm.model": "m",
    }


def test_pictures_and_other_parts_of_a_message_are_kept():
    found = understood(
        {
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.contents.0.message_content.type": "text",
            "llm.input_messages.0.message.contents.0.message_content.text": "What is this?",
            "llm.input_messages.0.message.contents.1.message_content.type": "image",
            "llm.input_messages.0.message.contents.1.message_content.image.image.url": "data:x",
        },
        [],
    )
    assert found.inputs == {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image", "image.image.url": "data:x"},
                ],
            }
        ]
    }


def test_sessions_and_users_of_all_conventions_are_found():
    for key in (
        "session.id",
        "gen_ai.conversation.id",
        "traceloop.association.properties.session_id",
    ):
        assert record({key: "s"}).metadata == {"mlflow.trace.session": "s"}
    for key in ("user.id", "enduser.id", "traceloop.association.properties.user_id"):
        assert record({key: 7}).metadata == {"mlflow.trace.user": "7"}
