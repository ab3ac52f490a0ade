"""From a model's text to a typed value."""

from contextlib import suppress
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.answers import parse_answer
from judges.errors import MalformedAnswerError
from judges.values import ValueKind, ValueType

GRADE = ValueType.from_annotation(Literal["excellent", "good", "fair", "poor"])
STARS = ValueType(kind=ValueKind.INTEGER, minimum=1, maximum=5)


@pytest.mark.parametrize(
    "text",
    [
        '{"rationale": "Clear.", "result": "good"}',
        '{"result": "good", "rationale": "Clear."}',
        '```json\n{"rationale": "Clear.", "result": "good"}\n```',
        'Here it is:\n{"rationale": "Clear.", "result": "good"}\nI hope it helps.',
        '<think>{"rationale": "?", "result": "poor"}</think>{"rationale": "Clear.", "result": "good"}',
        '{"rationale": "A draft.", "result": "poor"} and finally {"rationale": "Clear.", "result": "good"}',
        "{'rationale': 'Clear.', 'result': 'good',}",
        '{"rationale": " Clear. ", "result": " Good. "}',
        '{"rationale": "Clear.\x00", "result": "good", "more": {"result": "poor"}}',
    ],
)
def test_small_defects_of_notation_are_forgiven(text: str) -> None:
    assert parse_answer(text, GRADE) == ("good", "Clear.")


@pytest.mark.parametrize(
    ("raw", "value_type", "value"),
    [
        ("4.0", STARS, 4),
        ("4", STARS, 4),
        ('"4/5"', STARS, 4),
        ("true", ValueType.from_annotation(bool), True),
        ('"No."', ValueType.from_annotation(bool), False),
        ("0.25", ValueType.from_annotation(float), 0.25),
        ("2", ValueType.from_annotation(Literal[1, 2]), 2),
        ('"Free text."', ValueType.from_annotation(str), "Free text."),
    ],
)
def test_values_are_typed(raw: str, value_type: ValueType, value: Any) -> None:
    parsed, _ = parse_answer(f'{{"rationale": "", "result": {raw}}}', value_type)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not a JSON object"),
        ("good", "not a JSON object"),
        ('{"rationale": "cut off in the mid', "not a JSON object"),
        ('["good"]', "not a JSON object"),
        ("{" * 100_000, "not a JSON object"),
        ('{"result": "good"}', "no field “rationale”"),
        ('{"rationale": "Clear."}', "no field “result”"),
        ('{"rationale": "Clear.", "result": "superb"}', "one of: excellent, good, fair, poor"),
        ('{"rationale": "Clear.", "result": null}', "one of: excellent, good, fair, poor"),
        ('{"rationale": "Clear.", "result": ["good"]}', "one of: excellent, good, fair, poor"),
    ],
)
def test_an_unusable_answer_says_what_is_wrong_with_it(text: str, problem: str) -> None:
    with pytest.raises(MalformedAnswerError, match=problem) as error:
        parse_answer(text, GRADE)
    assert error.value.answer == text


@pytest.mark.parametrize("raw", ["0", "6", "4.5", "true", "1e999", "NaN", "1" + "0" * 400])
def test_a_number_out_of_range_is_never_accepted(raw: str) -> None:
    with pytest.raises(MalformedAnswerError, match="a whole number from 1 to 5"):
        parse_answer(f'{{"rationale": "", "result": {raw}}}', STARS)


@given(st.text(alphabet="{}[]\":,\\'resultaionTfu01.eE-\n \x00\ud800"))
def test_any_text_is_an_answer_or_a_malformed_one(text: str) -> None:
    for value_type in (GRADE, STARS, ValueType.from_annotation(str)):
        with suppress(MalformedAnswerError):
            parse_answer(text, value_type)
