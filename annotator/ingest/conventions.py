"""What other libraries' attributes mean: OpenTelemetry's GenAI conventions of all ages, OpenInference, OpenLLMetry, and
those of the Vercel AI SDK and Pydantic AI, into inputs, outputs, messages, span types, tokens and models.

Nothing is taken away: the attributes stay as they came, and what they mean is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from annotator.ingest.langchain import as_conversation
from annotator.ingest.messages import (
    from_events,
    from_instructions,
    from_openinference,
    from_openllmetry,
    from_parts,
    numbered,
)

_PREFIXES = (
    *("gen_ai.", "llm.", "openinference.", "traceloop.", "input.", "output.", "ai.", "tool"),
    *("retrieval.", "reranker.", "embedding.", "pydantic_ai.", "all_messages", "final_result"),
    *("session.", "user."),
)

_TYPES = {
    "gen_ai.operation.name": {
        "chat": "CHAT_MODEL",
        "generate_content": "LLM",
        "text_completion": "LLM",
        "response": "LLM",
        "embeddings": "EMBEDDING",
        "execute_tool": "TOOL",
        "create_agent": "AGENT",
        "invoke_agent": "AGENT",
        "invoke_workflow": "WORKFLOW",
        "retrieval": "RETRIEVER",
    },
    "traceloop.span.kind": {
        "workflow": "WORKFLOW",
        "task": "TASK",
        "agent": "AGENT",
        "tool": "TOOL",
    },
    "llm.request.type": {
        "chat": "CHAT_MODEL",
        "completion": "LLM",
        "embedding": "EMBEDDING",
        "rerank": "RERANKER",
    },
    "ai.operationId": {
        "ai.generateText": "AGENT",
        "ai.streamText": "AGENT",
        "ai.generateObject": "LLM",
        "ai.streamObject": "LLM",
        "ai.generateText.doGenerate": "CHAT_MODEL",
        "ai.streamText.doStream": "CHAT_MODEL",
        "ai.toolCall": "TOOL",
        "ai.embed": "EMBEDDING",
        "ai.embedMany": "EMBEDDING",
    },
}
_OPENINFERENCE_KINDS = frozenset(
    [
        *("LLM", "CHAIN", "TOOL", "RETRIEVER", "EMBEDDING", "AGENT", "RERANKER", "GUARDRAIL"),
        *("EVALUATOR", "PROMPT"),
    ]
)

_INPUTS = (
    *("input.value", "traceloop.entity.input", "gen_ai.tool.call.arguments", "ai.toolCall.args"),
    *("tool_arguments", "gen_ai.prompt", "ai.prompt", "tool.parameters", "ai.value"),
)
_OUTPUTS = (
    *("output.value", "traceloop.entity.output", "gen_ai.tool.call.result", "ai.toolCall.result"),
    *("tool_response", "gen_ai.completion", "ai.response.text", "ai.response.object"),
    *("final_result", "ai.response.toolCalls"),
)
_INPUT_TOKENS = (
    *("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
    *("llm.usage.prompt_tokens", "ai.usage.promptTokens", "ai.usage.inputTokens"),
)
_OUTPUT_TOKENS = (
    *("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    *("llm.token_count.completion", "llm.usage.completion_tokens"),
    *("ai.usage.completionTokens", "ai.usage.outputTokens"),
)
_TOTAL_TOKENS = ("llm.token_count.total", "llm.usage.total_tokens", "gen_ai.usage.total_tokens")
_MODELS = (
    *("gen_ai.response.model", "gen_ai.request.model", "llm.response.model_name"),
    *("llm.model_name", "llm.request.model_name", "embedding.model_name", "ai.model.id"),
)
_PROVIDERS = (
    *("gen_ai.provider.name", "llm.provider", "gen_ai.system", "llm.system", "ai.model.provider"),
)
_TOOLS = ("gen_ai.tool.definitions",)
_SESSIONS = (
    "traceloop.association.properties.session_id",
    "traceloop.association.properties.thread_id",
    "ai.telemetry.metadata.sessionId",
)
_USERS = ("traceloop.association.properties.user_id", "ai.telemetry.metadata.userId")
_RETRIEVED = ("retrieval.documents.", "reranker.output_documents.")


@dataclass(kw_only=True)
class Understood:
    """What a span's foreign attributes mean; what is None or empty they do not say.

    Attributes:
        span_type: Such as LLM or TOOL.
        inputs: Those of the step; `{"messages": […]}` when they are a chat.
        outputs: The same; `{"message": {…}}` for the one answer of a chat.
        attributes: Tokens, model, provider and tools under MLflow's names.
        session: What the conversation is called.
        user: Whom it was with.
    """

    span_type: str = ""
    inputs: Any = None
    outputs: Any = None
    attributes: dict[str, Any] = field(default_factory=dict)
    session: Any = None
    user: Any = None


def understood(attributes: dict[str, Any], events: Sequence[dict[str, Any]]) -> Understood:
    """What attributes and events of other libraries mean; nothing when they are none of those known here."""
    if not any(key.startswith(_PREFIXES) for key in attributes) and not any(
        event["name"].startswith("gen_ai.") for event in events
    ):
        return Understood()
    said, answered = _messages(attributes, events)
    inputs = {"messages": said} if said else _first(attributes, _INPUTS)
    outputs = _answer(answered) if answered else _outputs(attributes)
    if not said and not answered:
        inputs, outputs = as_conversation(inputs, outputs)
    elif said and isinstance(outputs, str):
        outputs = {"message": {"role": "assistant", "content": outputs}}
    return Understood(
        span_type=_span_type(attributes, is_chat=bool(said)),
        inputs=inputs,
        outputs=outputs,
        attributes=_facts(attributes),
        session=_first(attributes, _SESSIONS),
        user=_first(attributes, _USERS),
    )


def _messages(
    attributes: dict[str, Any], events: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What was said to a model, and what it answered; the newest convention that says something wins."""
    sources = [attributes, *(event["attributes"] for event in events)]
    said: list[dict[str, Any]] = []
    answered: list[dict[str, Any]] = []
    for source in sources:
        if not said and source.get("gen_ai.input.messages"):
            said = from_parts(source["gen_ai.input.messages"], role="user")
            said = from_instructions(source.get("gen_ai.system_instructions")) + said
        if not answered and source.get("gen_ai.output.messages"):
            answered = from_parts(source["gen_ai.output.messages"], role="assistant")
    if attributes.get("pydantic_ai.all_messages") and not said:
        said, answered = _run(from_parts(attributes["pydantic_ai.all_messages"], role="user"))
    said = (
        said
        or from_openinference(attributes, "llm.input_messages.")
        or from_openllmetry(attributes, "gen_ai.prompt.", role="user")
    )
    answered = (
        answered
        or from_openinference(attributes, "llm.output_messages.")
        or from_openllmetry(attributes, "gen_ai.completion.", role="assistant")
    )
    old_said, old_answered = from_events(events)
    said, answered = said or old_said, answered or old_answered
    prompt = attributes.get("ai.prompt.messages")
    if prompt and not said:
        said = from_parts(prompt, role="user")
    return said, answered


def _run(messages: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All messages of an agent's run: its last answer is what came out."""
    if messages and messages[-1].get("role") == "assistant":
        return messages[:-1], messages[-1:]
    return messages, []


def _answer(messages: list[dict[str, Any]]) -> dict[str, Any]:
    return {"message": messages[0]} if len(messages) == 1 else {"messages": messages}


def _outputs(attributes: dict[str, Any]) -> Any:
    for prefix in _RETRIEVED:
        documents = [_document(fields) for fields in numbered(attributes, prefix)]
        if documents:
            return documents
    return _first(attributes, _OUTPUTS)


def _document(fields: dict[str, Any]) -> dict[str, Any]:
    """A retrieved document, named as MLflow's retrievers do."""
    names = {
        "document.content": "page_content",
        "document.metadata": "metadata",
        "document.id": "id",
        "document.score": "score",
    }
    return {names.get(key, key): value for key, value in fields.items()}


def _span_type(attributes: dict[str, Any], *, is_chat: bool) -> str:
    kind = attributes.get("openinference.span.kind")
    if isinstance(kind, str) and kind.upper() in _OPENINFERENCE_KINDS:
        return kind.upper()
    for key, types in _TYPES.items():
        name = attributes.get(key)
        if isinstance(name, str) and name in types:
            return types[name]
    if "gen_ai.tool.name" in attributes and not is_chat:
        return "TOOL"
    return "CHAT_MODEL" if is_chat else ""


def _facts(attributes: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    used = _number(attributes, _INPUT_TOKENS), _number(attributes, _OUTPUT_TOKENS)
    if used != (None, None):
        total = _number(attributes, _TOTAL_TOKENS)
        facts["mlflow.chat.tokenUsage"] = {
            "input_tokens": used[0] or 0,
            "output_tokens": used[1] or 0,
            "total_tokens": (used[0] or 0) + (used[1] or 0) if total is None else total,
        }
    named = {
        "mlflow.llm.model": _MODELS,
        "mlflow.llm.provider": _PROVIDERS,
        "mlflow.chat.tools": _TOOLS,
    }
    for name, keys in named.items():
        value = _first(attributes, keys)
        if value is not None:
            facts[name] = value
    return {key: value for key, value in facts.items() if key not in attributes}


def _first(attributes: dict[str, Any], keys: Iterable[str]) -> Any:
    return next((attributes[key] for key in keys if attributes.get(key) is not None), None)


def _number(attributes: dict[str, Any], keys: Iterable[str]) -> int | None:
    for key in keys:
        value = attributes.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None
