"""Reading a model's answer: text in, typed value and reason out."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from judges.errors import MalformedAnswerError
from judges.values import InvalidValueError, Value, ValueType

_THOUGHTS = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_MOST_STARTS = 50  # where an object may begin; bounds the work on a text that is nothing but braces
_decoder = json.JSONDecoder(strict=False)  # not strict: models write line breaks inside texts


def parse_answer(text: str, value_type: ValueType) -> tuple[Value, str]:
    """The typed value and the reason in an answer.

    Code fences, words around the JSON object and small defects of notation are forgiven; a value outside the
    declared type is not.

    Raises:
        MalformedAnswerError: when there is no usable verdict. The message says what is wrong, for people and for
            the model that is asked again.
    """
    answer = last_object(text)
    if answer is None:
        raise MalformedAnswerError(
            "The answer is not a JSON object with “rationale” and “result”.", answer=text
        )
    for name in ("rationale", "result"):
        if name not in answer:
            raise MalformedAnswerError(f"The answer has no field “{name}”.", answer=text)
    raw = answer["result"]
    try:
        value = value_type.parse(clean_text(raw) if isinstance(raw, str) else raw)
    except InvalidValueError as error:
        raise MalformedAnswerError(f"The result cannot be used: {error}.", answer=text) from error
    return value, clean_text(_as_text(answer["rationale"])).strip()


def clean_text(text: str) -> str:
    """The text without what neither databases nor HTTP can carry: NUL and halves of surrogate pairs."""
    if text.isascii() and "\x00" not in text:
        return text  # nearly every text there is, and the rest is slow
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _as_text(rationale: Any) -> str:
    if rationale is None:
        return ""
    return rationale if isinstance(rationale, str) else json.dumps(rationale, ensure_ascii=False)


def last_object(text: str) -> dict[str, Any] | None:
    """The last JSON object in the text that has a result, or the last one at all: drafts come before the answer.

    What a model thinks aloud between tags is no part of it.
    """
    text = _THOUGHTS.sub("", text)
    found: list[dict[str, Any]] = []
    position = text.find("{")
    for _ in range(_MOST_STARTS):
        if position < 0:
            break
        try:
            item, end = _decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            position = text.find("{", position + 1)
            continue
        found.append(item)
        position = text.find("{", end)
    if not found:
        python_literal = _python_object(text)
        return python_literal
    return next((item for item in reversed(found) if "result" in item), found[-1])


def _python_object(text: str) -> dict[str, Any] | None:
    """An object in Python's notation (single quotes, True, a trailing comma), which small models write."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        item = ast.literal_eval(text[start : end + 1])
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return item if isinstance(item, dict) else None
