"""Chat messages as instrumentation libraries write them, into the one form the product reads.

That form is OpenAI's: `{"role", "content", "tool_calls": [{"id", "type", "function": {"name", "arguments"}}]}`, and a
tool's answer as `{"role": "tool", "tool_call_id", "content"}`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

_NUMBERED = re.compile(r"(\d{1,6})\.(.+)", re.DOTALL)


def from_parts(messages: Any, *, role: str) -> list[dict[str, Any]]:
    """OpenTelemetry's newest form: a list of `{"role", "parts": [{"type", …}]}`.

    Args:
        messages: Any JSON; whatever is not of the form is kept as content.
        role: That of a message which names none.
    """
    if isinstance(messages, str):
        return [{"role": role, "content": messages}]
    if not isinstance(messages, list):
        messages = [messages]
    found: list[dict[str, Any]] = []
    for message in messages:
        if isinstance(message, dict) and isinstance(message.get("parts"), list):
            found += _from_parts(message["parts"], _role(message.get("role"), role))
        elif isinstance(message, dict) and ("role" in message or "content" in message):
            found.append({"role": role} | message)
        else:
            found.append({"role": role, "content": message})
    return found


def from_instructions(instructions: Any) -> list[dict[str, Any]]:
    """`gen_ai.system_instructions`: a text, or a list of parts."""
    if isinstance(instructions, list) and instructions:
        return _from_parts(instructions, "system")
    return [{"role": "system", "content": instructions}] if instructions else []


def from_openinference(attributes: dict[str, Any], prefix: str) -> list[dict[str, Any]]:
    """OpenInference's flat form: `llm.input_messages.0.message.content` and the like."""
    found: list[dict[str, Any]] = []
    for fields in numbered(attributes, prefix):
        message: dict[str, Any] = {"role": str(fields.get("message.role") or "user")}
        parts = [_openinference_part(part) for part in numbered(fields, "message.contents.")]
        content = fields.get("message.content")
        message["content"] = parts if parts and content is None else content
        for key in ("name", "tool_call_id"):
            if fields.get(f"message.{key}"):
                message[key] = fields[f"message.{key}"]
        calls = [
            _call(
                call.get("tool_call.id"),
                call.get("tool_call.function.name"),
                call.get("tool_call.function.arguments"),
            )
            for call in numbered(fields, "message.tool_calls.")
        ]
        name = fields.get("message.function_call_name")
        if name:
            calls.append(_call(None, name, fields.get("message.function_call_arguments_json")))
        if calls:
            message["tool_calls"] = calls
        found.append(message)
    return found


def from_openllmetry(attributes: dict[str, Any], prefix: str, *, role: str) -> list[dict[str, Any]]:
    """OpenLLMetry's flat form: `gen_ai.prompt.0.content` and the like."""
    found: list[dict[str, Any]] = []
    for fields in numbered(attributes, prefix):
        message: dict[str, Any] = {
            "role": _role(fields.get("role"), role),
            "content": fields.get("content"),
        }
        if fields.get("tool_call_id"):
            message["tool_call_id"] = fields["tool_call_id"]
        calls = [
            _call(call.get("id"), call.get("name"), call.get("arguments"))
            for call in numbered(fields, "tool_calls.")
        ]
        if calls:
            message["tool_calls"] = calls
        found.append(message)
    return found


def from_events(
    events: Iterable[dict[str, Any]],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The older form of OpenTelemetry, an event a message; what went in, and what came out."""
    said: list[dict[str, Any]] = []
    answered: list[dict[str, Any]] = []
    for event in events:
        name, fields = event["name"], event["attributes"]
        if name == "gen_ai.choice":
            inner = fields.get("message")
            message = inner if isinstance(inner, dict) else fields
            answered.append(_event_message(message, "assistant"))
        elif name.startswith("gen_ai.") and name.endswith(".message"):
            said.append(_event_message(fields, name.split(".")[1]))
        elif name == "gen_ai.content.prompt" and fields.get("gen_ai.prompt"):
            said += from_parts(fields["gen_ai.prompt"], role="user")
        elif name == "gen_ai.content.completion" and fields.get("gen_ai.completion"):
            answered += from_parts(fields["gen_ai.completion"], role="assistant")
    return said, answered


def numbered(attributes: dict[str, Any], prefix: str) -> list[dict[str, Any]]:
    """The attributes under `prefix`, grouped by the number that follows it, in the order of the numbers."""
    groups: dict[int, dict[str, Any]] = defaultdict(dict)
    for key, value in attributes.items():
        if key.startswith(prefix):
            found = _NUMBERED.fullmatch(key, len(prefix))
            if found:
                groups[int(found[1])][found[2]] = value
    return [groups[number] for number in sorted(groups)]


def _from_parts(parts: list[Any], role: str) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(part, str):
            content.append({"type": "text", "text": part})
        elif kind == "text":
            content.append({"type": "text", "text": part.get("content", part.get("text"))})
        elif kind == "tool_call":
            calls.append(_call(part.get("id"), part.get("name"), part.get("arguments")))
        elif kind == "tool_call_response":
            answer = next((part[key] for key in ("response", "result") if key in part), None)
            answers.append({"role": "tool", "tool_call_id": part.get("id"), "content": answer})
        else:
            content.append(part if isinstance(part, dict) else {"type": "data", "data": part})
    found: list[dict[str, Any]] = []
    if content or calls or not answers:
        texts = [part.get("text") for part in content if part.get("type") == "text"]
        is_prose = len(texts) == len(content) and all(isinstance(text, str) for text in texts)
        message: dict[str, Any] = {"role": role}
        message["content"] = "\n\n".join(str(text) for text in texts) if is_prose else content
        if calls:
            message["tool_calls"] = calls
        found.append(message)
    return found + answers


def _event_message(fields: dict[str, Any], role: str) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": _role(fields.get("role"), role),
        "content": fields.get("content"),
    }
    if fields.get("tool_calls"):
        message["tool_calls"] = fields["tool_calls"]
    if role == "tool" and fields.get("id"):
        message["tool_call_id"] = fields["id"]
    return message


def _openinference_part(fields: dict[str, Any]) -> dict[str, Any]:
    text = fields.get("message_content.text")
    if text is not None:
        return {"type": "text", "text": text}
    return {key.removeprefix("message_content."): value for key, value in fields.items()}


def _call(call_id: Any, name: Any, arguments: Any) -> dict[str, Any]:
    function = {"name": str(name or "tool"), "arguments": arguments}
    return {"id": str(call_id or ""), "type": "function", "function": function}


def _role(given: Any, otherwise: str) -> str:
    return given if isinstance(given, str) and given else otherwise
