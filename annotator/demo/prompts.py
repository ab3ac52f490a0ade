"""How the demo model reads a prompt: its sections, the instructions in it, the case, and the form of the answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from annotator.demo.criteria import JudgedText

_SECTION = re.compile(r"^\[\[ ## (\w+) ## \]\][ \t]*$", re.MULTILINE)
_TAG = re.compile(r"<(inputs|outputs|expectations|conversation|trace)>\s*(.*?)\s*</\1>", re.DOTALL)
_REMINDER = re.compile(
    r"\n+Respond with (?:the corresponding output fields|a JSON object)\b.*\Z", re.DOTALL
)
_TURN = re.compile(
    r"^(user|assistant|tool|system|unknown)(?: \w+)?(?::| calls )[ \t]*",
    re.MULTILINE | re.IGNORECASE,
)
_OUTLINED = re.compile(r"^\s*(inputs|outputs): (.*)$", re.MULTILINE)
_SPOKEN_KEYS = (
    "content",
    "answer",
    "message",
    "response",
    "output",
    "outputs",
    "reply",
    "text",
    "result",
)
_ASKED_KEYS = (
    "content",
    "question",
    "message",
    "messages",
    "query",
    "input",
    "inputs",
    "request",
    "prompt",
    "text",
)


def text_of(message: dict[str, Any]) -> str:
    """The text of one chat message, whether its content is a string or a list of parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))


def sections_of(text: str) -> dict[str, str]:
    """The `[[ ## name ## ]]` sections that DSPy writes, the closing reminder about the layout cut off."""
    return {name: _REMINDER.sub("", content).strip() for name, content in _headed(_SECTION, text)}


def _headed(heading: re.Pattern[str], text: str) -> list[tuple[str, str]]:
    """Every heading's first group with the text up to the next heading."""
    marks = list(heading.finditer(text))
    ends = [*(mark.start() for mark in marks), len(text)][1:]
    return [(mark[1], text[mark.end() : end]) for mark, end in zip(marks, ends, strict=True)]


def loaded(text: str) -> Any:
    """The JSON value of a text, or the text itself where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def said(value: Any, keys: tuple[str, ...] = _SPOKEN_KEYS) -> str:
    """The words in a value: of a chat its last turn, of an object the field that speaks, else all its texts."""
    if isinstance(value, str):
        inner = loaded(value) if value.lstrip().startswith(("{", "[")) else value
        return value if isinstance(inner, str) else said(inner, keys)
    if isinstance(value, dict):
        for key in keys:
            if value.get(key):
                return said(value[key], keys)
        return "\n".join(filter(None, (said(item, keys) for item in value.values())))
    if isinstance(value, list):
        if value and all(isinstance(turn, dict) and "role" in turn for turn in value):
            return said(value[-1], keys)
        return "\n".join(filter(None, (said(item, keys) for item in value)))
    return ""


def asked(value: Any) -> str:
    """The words of the request: of a chat its last turn by the user."""
    value = loaded(value) if isinstance(value, str) and value.lstrip().startswith("{") else value
    turns = value.get("messages") if isinstance(value, dict) else None
    if isinstance(turns, list):
        value = [turn for turn in turns if isinstance(turn, dict) and turn.get("role") == "user"]
    return said(value, _ASKED_KEYS)


def case_of_fields(fields: dict[str, Any]) -> JudgedText:
    """The case from named fields: inputs, outputs, expectations, conversation, trace, or what a program calls them."""
    known = {name.lower(): value for name, value in fields.items()}
    if set(known) & {"outputs", "conversation"} == set() and len(known) == 1:
        only = next(iter(known.values()))
        if isinstance(only, str) and _TAG.search(only):
            return case_in(only)
        if isinstance(only, dict):
            return case_of_fields(only)
    answer = next((known[k] for k in ("outputs", *_SPOKEN_KEYS) if known.get(k)), None)
    question = next((known[k] for k in ("inputs", *_ASKED_KEYS) if known.get(k)), "")
    turns = _turns(known.get("conversation"))
    if turns:
        answer = answer or next(
            (text for role, text in reversed(turns) if role == "assistant"), None
        )
        question = question or next((text for role, text in reversed(turns) if role == "user"), "")
    if answer is None and known.get("trace"):
        fields = dict(
            reversed(_OUTLINED.findall(str(known["trace"])))
        )  # those of the first span, the root
        question, answer = fields.get("inputs", ""), fields.get("outputs")
    if answer is None:
        answer = "\n".join(str(value) for value in known.values())
    return JudgedText(
        answer=said(answer),
        question=asked(question),
        expected=said(known.get("expectations") or ""),
    )


def _turns(conversation: Any) -> list[tuple[str, str]]:
    if isinstance(conversation, list):
        return [(str(t.get("role", "")), text_of(t)) for t in conversation if isinstance(t, dict)]
    if not isinstance(conversation, str):
        return []
    return [(role.lower(), content.strip()) for role, content in _headed(_TURN, conversation)]


def fields_of(text: str) -> dict[str, Any]:
    """The named parts of the case in a prompt, from tagged blocks or DSPy's sections; empty where it has neither."""
    blocks = dict(_TAG.findall(text))
    return blocks or {name: loaded(value) for name, value in sections_of(text).items()}


def case_in(text: str) -> JudgedText:
    """The case in the text of a prompt: its named parts, or else the whole text."""
    fields = fields_of(text)
    return case_of_fields(fields) if fields else JudgedText(answer=_REMINDER.sub("", text).strip())


def instructions_in(system: str) -> str:
    """The judge's instructions in a system message: the section so headed, or DSPy's objective, or all of it."""
    headed = re.search(
        r"^#*\s*Instructions:\s*$(.*?)(?=^#*\s*(?:Answer format|Examples?|Demonstrations?)\b[^\n]*:\s*$|\Z)",
        system,
        re.DOTALL | re.MULTILINE,
    )
    if headed:
        return headed[1].strip()
    objective = re.search(r"your objective is:\s*(.*)\Z", system, re.DOTALL)
    return (objective[1] if objective else system).strip()


@dataclass(frozen=True, kw_only=True)
class AnswerForm:
    """How the answer is to look.

    Attributes:
        fields: The names of its fields in order.
        value_field: The one that takes the verdict.
        kind: "boolean", "category", "integer", "number" or "text".
        categories: The allowed values of a category, in the order of the prompt.
        lowest, highest: Bounds of a number.
        in_sections: Whether the fields stand in DSPy's sections rather than in a JSON object.
    """

    fields: tuple[str, ...] = ("rationale", "result")
    value_field: str = "result"
    kind: str = "text"
    categories: tuple[Any, ...] = ()
    lowest: float = 1
    highest: float = 5
    in_sections: bool = False


_VALUE_NAMES = ("result", "value", "verdict", "label", "score", "rating", "answer")
_REASON_NAME = re.compile(r"rationale|reason|explanation|comment|justification", re.IGNORECASE)
_RANGE = re.compile(
    r"(?:from|between)\s+(-?\d+(?:\.\d+)?)\s+(?:to|and)\s+(-?\d+(?:\.\d+)?)", re.IGNORECASE
)


def _value_field(names: list[str]) -> str:
    known = [name for name in _VALUE_NAMES if name in names]
    others = [name for name in names if not _REASON_NAME.search(name)]
    return (known or others or names or ["result"])[0]


def answer_form(body: dict[str, Any], system: str) -> AnswerForm:
    """The form of the answer, from the request's JSON schema, else from what the prompt says in words."""
    schema = _schema_of(body.get("response_format"))
    properties = schema.get("properties") or {}
    if properties:
        field = _value_field(list(properties))
        return AnswerForm(
            fields=tuple(properties),
            value_field=field,
            **_kind_of_schema(properties[field], system),
        )
    outputs = re.search(r"Your output fields are:\n(.*?)\nAll interactions", system, re.DOTALL)
    if outputs:
        described = re.findall(r"^\d+\. `(\w+)` \((.*?)\)(?::|$)", outputs[1], re.MULTILINE)
        names = [name for name, _ in described]
        field = _value_field(names)
        return AnswerForm(
            fields=tuple(names),
            value_field=field,
            in_sections="Outputs will be a JSON object" not in system,
            **_kind_of_words(dict(described).get(field, "str"), system),
        )
    words = system[system.rfind("Answer format") :] if "Answer format" in system else system
    names = sorted(
        {
            name
            for name in re.findall(r"[\"`“](\w+)[\"`”]", words)
            if name in _VALUE_NAMES or _REASON_NAME.search(name)
        },
        key=words.index,
    ) or ["rationale", "result"]
    return AnswerForm(
        fields=tuple(names), value_field=_value_field(names), **_kind_of_words(words, words)
    )


def _schema_of(response_format: Any) -> dict[str, Any]:
    if hasattr(response_format, "model_json_schema"):
        schema: dict[str, Any] = response_format.model_json_schema()
        return schema
    if not isinstance(response_format, dict):
        return {}
    wrapped = response_format.get("json_schema") or {}
    found = wrapped.get("schema") or response_format.get("schema") or {}
    return found if isinstance(found, dict) else {}


def _kind_of_schema(schema: dict[str, Any], system: str) -> dict[str, Any]:
    if schema.get("enum"):
        return {"kind": "category", "categories": tuple(schema["enum"])}
    kind = str(schema.get("type", "string"))
    if kind == "boolean":
        return {"kind": "boolean"}
    if kind in {"integer", "number"}:
        words = str(schema.get("description", "")) or system
        bounds = {
            name: schema[key]
            for name, key in (("lowest", "minimum"), ("highest", "maximum"))
            if key in schema
        }
        return {"kind": kind, **_bounds_in(words, kind), **bounds}
    return _kind_of_words("", system)


def _bounds_in(words: str, kind: str) -> dict[str, float]:
    bounds = _RANGE.search(words)
    if bounds:
        lowest, highest = sorted((float(bounds[1]), float(bounds[2])))
        return {"lowest": lowest, "highest": highest}
    lowest, highest = (1.0, 5.0) if kind == "integer" else (0.0, 1.0)
    one_sided = re.search(r"number of at (least|most) (-?\d+(?:\.\d+)?)", words)
    if one_sided:  # as wide a scale as usual, beginning or ending at the bound
        bound, width = float(one_sided[2]), highest - lowest
        lowest = bound if one_sided[1] == "least" else bound - width
        highest = lowest + width
    return {"lowest": lowest, "highest": highest}


def _kind_of_words(declared: str, words: str) -> dict[str, Any]:
    literal = re.search(r"Literal\[(.*?)\]", declared)
    listed = literal or re.search(r"one of:?\s+([^\n.]+)", words, re.IGNORECASE)
    if listed:
        names = [
            name.strip(" \"'`“”.") for name in re.split(r"\s*,\s*(?:or\s+)?|\s+or\s+", listed[1])
        ]
        values = tuple(
            loaded(name) if re.fullmatch(r"-?[\d.]+", name) else name for name in names if name
        )
        return {"kind": "category", "categories": values}
    if declared == "bool" or re.search(r"\btrue or false\b|\byes or no\b", words, re.IGNORECASE):
        return {"kind": "boolean"}
    if declared == "int" or re.search(r"\ba whole number\b", words, re.IGNORECASE):
        return {"kind": "integer", **_bounds_in(words, "integer")}
    if declared == "float" or re.search(r"\ba number\b", words, re.IGNORECASE):
        return {"kind": "number", **_bounds_in(words, "number")}
    return {"kind": "text"}
