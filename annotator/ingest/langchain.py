"""LangChain's and LangGraph's states: messages under names of their own, and outputs that repeat the inputs."""

from __future__ import annotations

from typing import Any

_ROLES = {
    "human": "user",
    "ai": "assistant",
    "system": "system",
    "tool": "tool",
    "function": "tool",
    "HumanMessage": "user",
    "AIMessage": "assistant",
    "AIMessageChunk": "assistant",
    "SystemMessage": "system",
    "ToolMessage": "tool",
}
_KEPT = ("content", "tool_calls", "tool_call_id", "name")


def as_conversation(inputs: Any, outputs: Any) -> tuple[Any, Any]:
    """The inputs and outputs with their messages in the form the product reads; anything else as it is."""
    inputs, outputs = (
        _with_roles(_unwrapped(inputs, "inputs")),
        _with_roles(_unwrapped(outputs, "outputs")),
    )
    said, answered = _messages(inputs), _messages(outputs)
    if said and answered and answered[: len(said)] == said:
        # a graph's output is its whole state, what went in included
        outputs = outputs | {"messages": answered[len(said) :]}
    return inputs, outputs


def _unwrapped(data: Any, key: str) -> Any:
    """What OpenLLMetry wraps in `{"inputs": …, "tags": …, "metadata": …, "kwargs": …}`."""
    if isinstance(data, dict) and isinstance(data.get(key), dict) and "kwargs" in data:
        return data[key]
    return data


def _with_roles(data: Any) -> Any:
    messages = _messages(data)
    if len(messages) == 1 and isinstance(messages[0], list) and not _is_pair(messages[0]):
        messages = messages[0]  # a batch of one
    found = [_message(message) for message in messages]
    if not found or None in found:
        return data
    return data | {"messages": found}


def _messages(data: Any) -> list[Any]:
    messages = data.get("messages") if isinstance(data, dict) else None
    return messages if isinstance(messages, list) else []


def _is_pair(message: list[Any]) -> bool:
    return len(message) == 2 and all(isinstance(part, str) for part in message)


def _message(message: Any) -> dict[str, Any] | None:
    """One message; None when it is none that LangChain writes."""
    if isinstance(message, list) and _is_pair(message):
        return {"role": _ROLES.get(message[0], message[0]), "content": message[1]}
    if not isinstance(message, dict):
        return None
    if "role" in message:
        return message
    kind: Any = message.get("type")
    fields: Any = message
    path = message.get("id")
    if kind == "constructor" and isinstance(path, list) and path:
        kind, fields = path[-1], message.get("kwargs")
    if not isinstance(kind, str) or kind not in _ROLES or not isinstance(fields, dict):
        return None
    found = {key: fields[key] for key in _KEPT if fields.get(key)}
    return {"role": _ROLES[kind], "content": fields.get("content")} | found
