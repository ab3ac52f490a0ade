"""A trace as people read it: a conversation with its tool calls, or named fields; whatever is odd stays data.

Applications record anything, so every function here takes any JSON and never fails.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from annotator.presenters.documents import Document, Retrieval, documents_of, retrievals_of
from judges.answers import clean_text
from judges.entities import conversation_of

_SPEAKERS = {
    "user": "User",
    "human": "User",
    "assistant": "Assistant",
    "ai": "Assistant",
    "system": "System",
    "developer": "System",
    "tool": "Tool",
    "function": "Tool",
}
_SUMMARY_LENGTH = 90


@dataclass(kw_only=True)
class ToolCall:
    """One use of a tool, and what came back once it is found.

    Attributes:
        name: The tool.
        call_id: What its result refers to; empty when the application gave none.
        arguments: What it was called with.
        result: What it gave back.
        has_result: Whether a result was found.
        duration_ms: How long it took, when a step of the trace says so.
    """

    name: str
    call_id: str = ""
    arguments: Any = None
    result: Any = None
    has_result: bool = False
    duration_ms: float | None = None

    @property
    def summary(self) -> str:
        """`lookup_order(order_id="A-7")`, shortened."""
        if isinstance(self.arguments, dict):
            inside = ", ".join(f"{name}={_brief(value)}" for name, value in self.arguments.items())
        else:
            inside = "" if self.arguments is None else _brief(self.arguments)
        return f"{self.name}({shorten(inside, _SUMMARY_LENGTH)})"

    @property
    def documents(self) -> tuple[Document, ...]:
        """The result as documents, when it is a list of such."""
        return documents_of(self.result)

    @property
    def result_summary(self) -> str:
        """The result in a few words: counts for collections, the beginning for anything else."""
        if self.documents:
            return f"{len(self.result)} {'document' if len(self.result) == 1 else 'documents'}"
        if isinstance(self.result, list):
            return f"{len(self.result)} {'item' if len(self.result) == 1 else 'items'}"
        return shorten(_brief(self.result), _SUMMARY_LENGTH)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one speaker said; `kind` is user, assistant, system, tool or other."""

    kind: str
    speaker: str
    text: str = ""
    data: tuple[Any, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NamedField:
    """A part of the input or output: text for people, or data; `name` is empty when it is the only one."""

    name: str
    text: str = ""
    data: Any = None

    @property
    def is_text(self) -> bool:
        """Whether it is prose."""
        return self.data is None

    @property
    def documents(self) -> tuple[Document, ...]:
        """The data as documents, when it is a list of such."""
        return documents_of(self.data)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The reading view. A conversation has `turns`; the fields are what else the trace carries, or looked up."""

    turns: tuple[Turn, ...] = ()
    inputs: tuple[NamedField, ...] = ()
    outputs: tuple[NamedField, ...] = ()
    retrievals: tuple[Retrieval, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to read."""
        return not (self.turns or self.inputs or self.outputs or self.retrievals)


def reading_of(
    inputs: Any,
    outputs: Any,
    *,
    tool_times: Iterable[tuple[str, float | None]] = (),
    retrievals: Iterable[Retrieval | None] = (),
) -> Reading:
    """How to show the inputs and outputs of a trace.

    Args:
        inputs: Those of the root span, any JSON.
        outputs: The same.
        tool_times: Name and duration in milliseconds of the tools used, in order.
        retrievals: What the steps that looked something up found, in order.
    """
    inputs, outputs = cleaned(inputs), cleaned(outputs)
    messages = conversation_of(inputs, outputs)
    if not messages:
        return Reading(
            inputs=fields_of(inputs),
            outputs=fields_of(outputs),
            retrievals=retrievals_of(retrievals),
        )
    return Reading(
        turns=_turns(messages, list(tool_times)),
        retrievals=retrievals_of(retrievals),
        inputs=fields_of(_without(inputs, "messages")),
        outputs=fields_of(_without(outputs, "message", "messages"))
        if isinstance(outputs, dict)
        else fields_of(outputs),
    )


def fields_of(data: Any) -> tuple[NamedField, ...]:
    """The parts of an input or output; a single text needs no name."""
    if data is None or data in ({}, []):
        return ()
    if not isinstance(data, dict):
        return (_field("", data),)
    return tuple(_field(name, value) for name, value in data.items())


def cleaned(data: Any) -> Any:
    """The data without characters that no page can carry (`clean_text`)."""
    if isinstance(data, str):
        return clean_text(data)
    if isinstance(data, list):
        return [cleaned(item) for item in data]
    if isinstance(data, dict):
        return {clean_text(str(key)): cleaned(item) for key, item in data.items()}
    return data


def shorten(text: str, length: int) -> str:
    """The text on one line, cut at `length` characters with an ellipsis."""
    line = " ".join(text[: length * 4].split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def _field(name: str, value: Any) -> NamedField:
    if isinstance(value, str):
        return NamedField(name=name, text=value)
    if isinstance(value, (bool, int, float)):
        return NamedField(name=name, text=json.dumps(value))
    # None is shown as the data it is; a NamedField without data would be an empty text.
    return (
        NamedField(name=name, data=value) if value is not None else NamedField(name=name, text="—")
    )


def _turns(
    messages: Sequence[dict[str, Any]], tool_times: list[tuple[str, float | None]]
) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    open_calls: list[ToolCall] = []
    for message in messages:
        role = str(message.get("role") or "").lower()
        text, data, calls, results = _content(message.get("content"))
        calls = [*calls, *_declared_calls(message)]
        if role in {"tool", "function"}:
            results = [(str(message.get("tool_call_id") or ""), message.get("content"))]
            text, data = "", []
        for call in calls:
            call.duration_ms = _take_time(tool_times, call.name)
        open_calls += calls
        unmatched = [
            value
            for call_id, value in results
            if not _give_result(open_calls, call_id, str(message.get("name") or ""), parsed(value))
        ]
        if results and not (text or data or calls or unmatched):
            continue
        turns.append(
            Turn(
                kind=_kind(role),
                speaker=_speaker(role, message.get("name")),
                text=text,
                data=(*data, *(parsed(value) for value in unmatched)),
                tool_calls=tuple(calls),
            )
        )
    return tuple(turns)


def _content(content: Any) -> tuple[str, list[Any], list[ToolCall], list[tuple[str, Any]]]:
    """Text, other data, tool calls and tool results in a message's content, which may be text or a list of parts."""
    if content is None:
        return "", [], [], []
    if isinstance(content, str):
        return content, [], [], []
    if not isinstance(content, list):
        return "", [content], [], []
    texts: list[str] = []
    data: list[Any] = []
    calls: list[ToolCall] = []
    results: list[tuple[str, Any]] = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif isinstance(part, dict) and kind == "tool_use":
            calls.append(_call(part.get("name"), part.get("id"), part.get("input")))
        elif isinstance(part, dict) and kind == "tool_result":
            inner = part.get("content")
            text, others, _, _ = _content(inner)
            results.append((str(part.get("tool_use_id") or ""), inner if others else text))
        else:
            data.append(part)
    return "\n\n".join(texts), data, calls, results


def _declared_calls(message: dict[str, Any]) -> list[ToolCall]:
    declared = message.get("tool_calls")
    calls = []
    for item in declared if isinstance(declared, list) else []:
        if not isinstance(item, dict):
            continue
        function = item["function"] if isinstance(item.get("function"), dict) else item
        arguments = next(
            (function[key] for key in ("arguments", "args", "input") if key in function), None
        )
        calls.append(_call(function.get("name"), item.get("id"), parsed(arguments)))
        if "result" in item or "output" in item:
            calls[-1].result = parsed(item.get("result", item.get("output")))
            calls[-1].has_result = True
    return calls


def _call(name: Any, call_id: Any, arguments: Any) -> ToolCall:
    return ToolCall(name=str(name or "tool"), call_id=str(call_id or ""), arguments=arguments)


def _give_result(calls: list[ToolCall], call_id: str, name: str, result: Any) -> bool:
    waiting = [call for call in calls if not call.has_result]
    if call_id:
        waiting = [call for call in waiting if call.call_id in ("", call_id)]
    elif name:
        waiting = [call for call in waiting if call.name == name] or waiting
    if not waiting:
        return False
    exact = [call for call in waiting if call_id and call.call_id == call_id]
    call = (exact or waiting)[0]
    call.result, call.has_result = result, True
    return True


def _take_time(times: list[tuple[str, float | None]], name: str) -> float | None:
    for position, (tool, duration) in enumerate(times):
        if tool == name:
            del times[position]
            return duration
    return None


def _kind(role: str) -> str:
    speaker = _SPEAKERS.get(role)
    return speaker.lower() if speaker else "other"


def _speaker(role: str, name: Any) -> str:
    speaker = _SPEAKERS.get(role) or role.capitalize() or "Unknown speaker"
    return f"{speaker} · {name}" if isinstance(name, str) and name else speaker


def _without(data: Any, *names: str) -> Any:
    return {key: value for key, value in data.items() if key not in names}


def parsed(value: Any) -> Any:
    """The data in a text of JSON, as tools write their arguments and results; any other value as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        return cleaned(json.loads(value))  # what was escaped in the text is a character now
    except (ValueError, RecursionError):
        return value


def _brief(value: Any) -> str:
    if isinstance(value, dict):
        inside = ", ".join(f"{key}: {_brief_scalar(item)}" for key, item in list(value.items())[:8])
        return f"{{{inside}}}"
    return _brief_scalar(value)


def _brief_scalar(value: Any) -> str:
    if isinstance(value, dict):
        return "{…}" if value else "{}"
    if isinstance(value, list):
        return f"[{len(value)}]"
    return json.dumps(value[:200] if isinstance(value, str) else value, ensure_ascii=False)
