"""Labels and sides."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from alignment.labels import (
    Example,
    LabelRule,
    ReasonCode,
    Settled,
    Unsettled,
    Vote,
    examples_from_traces,
    settle,
)
from alignment.sides import Side, Sides
from judges.entities import AssessmentSource, Expectation, Feedback, SourceType, Trace
from judges.values import ValueKind, ValueType

SINGLE, UNANIMOUS, MAJORITY, ADJUDICATED = LabelRule


def votes(*answers: tuple[str, Any]) -> list[Vote]:
    return [Vote(source_id=who, value=value) for who, value in answers]


@pytest.mark.parametrize(
    ("rule", "answers", "expected"),
    [
        (SINGLE, [("ann", "good")], "good"),
        (SINGLE, [("ann", "good"), ("bob", "good")], "good"),
        (SINGLE, [("ann", "good"), ("bob", "poor"), ("cem", "good")], "good"),
        (SINGLE, [("ann", "good"), ("bob", "poor")], ReasonCode.TIE),
        (MAJORITY, [("ann", "good"), ("bob", "poor")], ReasonCode.TIE),
        (MAJORITY, [("ann", "a"), ("bob", "b"), ("cem", "a"), ("dan", "c")], "a"),
        (MAJORITY, [("ann", 4), ("bob", 4.0), ("cem", 5)], 4.0),
        (MAJORITY, [("ann", True), ("bob", True), ("cem", 1)], True),
        (UNANIMOUS, [("ann", "good"), ("bob", "good")], "good"),
        (UNANIMOUS, [("ann", "good"), ("bob", "good"), ("cem", "poor")], ReasonCode.NOT_UNANIMOUS),
        (ADJUDICATED, [("ann", "good"), ("lena", "poor"), ("bob", "good")], "poor"),
        (ADJUDICATED, [("ann", "good"), ("bob", "good")], ReasonCode.AWAITS_ADJUDICATION),
        (ADJUDICATED, [("lena", None), ("bob", "good")], ReasonCode.AWAITS_ADJUDICATION),
        (MAJORITY, [], ReasonCode.NO_FEEDBACK),
        (MAJORITY, [("ann", None)], ReasonCode.NO_ANSWER),
    ],
)
def test_a_rule_settles_votes_or_says_why_not(
    rule: LabelRule, answers: list[tuple[str, Any]], expected: Any
) -> None:
    settled = settle(votes(*answers), rule, "lena")
    if isinstance(expected, ReasonCode):
        assert isinstance(settled, Unsettled)
        assert settled.reason.code is expected
        assert str(settled.reason).endswith(".")
    else:
        assert isinstance(settled, Settled)
        assert settled.value == expected
        assert settled.rule is rule


def test_a_correction_replaces_and_never_adds_a_vote() -> None:
    corrected = settle(votes(("ann", True), ("ann", True), ("ann", False)), MAJORITY)
    assert isinstance(corrected, Settled)
    assert corrected.value is False
    assert corrected.votes == {"false": 1}


def test_three_answers_of_one_person_do_not_outvote_two_people() -> None:
    answers = votes(("ann", "yes"), ("ann", "yes"), ("ann", "yes"), ("bob", "no"), ("cem", "no"))
    settled = settle(answers, MAJORITY)
    assert isinstance(settled, Settled)
    assert settled.value == "no"
    assert settled.by == ("bob", "cem")


def test_the_newest_answer_is_told_by_its_time_not_by_its_place() -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    settled = settle(
        [
            Vote(source_id="ann", value="new", created_at=late, rationale="because"),
            Vote(source_id="ann", value="old", created_at=early),
        ],
        SINGLE,
    )
    assert isinstance(settled, Settled)
    assert settled.value == "new"
    assert settled.rationale == "because"


def test_cannot_judge_withdraws_an_older_answer() -> None:
    settled = settle(votes(("ann", "good"), ("bob", "poor"), ("bob", None)), MAJORITY)
    assert isinstance(settled, Settled)
    assert settled.votes == {"good": 1}


def test_the_reasons_of_those_who_won_go_with_the_label() -> None:
    settled = settle(
        [
            Vote(source_id="ann", value="poor", rationale="No price."),
            Vote(source_id="bob", value="good", rationale="Nice."),
            Vote(source_id="cem", value="poor", rationale="No price."),
        ],
        MAJORITY,
    )
    assert isinstance(settled, Settled)
    assert settled.rationale == "No price."


# --- Sides


@pytest.mark.parametrize(
    ("annotation", "positive", "negative"),
    [
        (bool, [True], [False]),
        (Literal["excellent", "good", "fair", "poor"], ["excellent", "good"], ["fair", "poor"]),
        (Literal["poor", "fair", "good"], ["good"], ["poor"]),
        (Literal["correct", "partially correct", "incorrect"], ["correct"], ["incorrect"]),
        (Literal["a", "b", "c"], ["c"], ["a"]),
        (Literal[1, 2, 3, 4, 5], [4, 5], [1, 2]),
        (Literal[5, 4, 3, 2, 1], [4, 5], [1, 2]),
        (Literal["helpful", "not helpful"], ["helpful"], ["not helpful"]),
        (Literal["fail", "pass"], ["pass"], ["fail"]),
        (ValueType(kind=ValueKind.INTEGER, minimum=1, maximum=5), [4, 5], [1, 2]),
        (ValueType(kind=ValueKind.INTEGER, minimum=1, maximum=4), [3, 4], [1, 2]),
        (ValueType(kind=ValueKind.NUMBER, minimum=0, maximum=1), [0.51, 1], [0, 0.49]),
    ],
)
def test_values_have_sensible_default_sides(
    annotation: Any, positive: list[Any], negative: list[Any]
) -> None:
    sides = Sides.default_for(ValueType.from_annotation(annotation))
    assert {sides.side_of(value) for value in positive} == {Side.POSITIVE}
    assert {sides.side_of(value) for value in negative} == {Side.NEGATIVE}
    assert sides.is_decided
    assert Sides.from_dict(sides.to_dict()) == sides


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Literal["poor", "fair", "good"], "fair"),
        (ValueType(kind=ValueKind.INTEGER, minimum=1, maximum=5), 3),
        (ValueType(kind=ValueKind.NUMBER, minimum=0, maximum=1), 0.5),
        (str, "anything"),
        (int, 7),
    ],
)
def test_the_middle_and_the_unknown_are_neutral(annotation: Any, value: Any) -> None:
    assert Sides.default_for(ValueType.from_annotation(annotation)).side_of(value) is Side.NEUTRAL


def test_unordered_categories_that_nobody_knows_leave_the_sides_undecided() -> None:
    kinds = ValueType(kind=ValueKind.CATEGORY, categories=("billing", "delivery"))
    sides = Sides.default_for(kinds)
    assert sides.side_of("billing") is Side.NEUTRAL
    assert not sides.is_decided


# --- Examples from traces


def feedback(
    value: Any, *, name: str = "quality", source: str = "ann", kind: str = "HUMAN", **rest: Any
) -> Feedback:
    return Feedback(
        name=name,
        value=value,
        source=AssessmentSource(source_type=SourceType(kind), source_id=source),
        **rest,
    )


def verdict(value: Any = "good", **rest: Any) -> Feedback:
    return feedback(value, kind="LLM_JUDGE", source="demo:/judge", **rest)


def trace(*assessments: Feedback | Expectation, trace_id: str = "t1", question: str = "?") -> Trace:
    return Trace(
        trace_id=trace_id, inputs={"question": question}, outputs="!", assessments=assessments
    )


KNOWN = ValueType.from_annotation(Literal["good", "poor"])


@pytest.mark.parametrize(
    ("assessments", "code"),
    [
        ((verdict(),), ReasonCode.NO_FEEDBACK),
        ((verdict(), feedback("good", name="Quality ")), ReasonCode.NAME_DIFFERS),
        ((verdict(), feedback("good", name="other")), ReasonCode.NO_FEEDBACK),
        ((feedback("good"),), ReasonCode.NO_VERDICT),
        ((feedback("good"), verdict(None, error="No answer.")), ReasonCode.VERDICT_FAILED),
        ((feedback(None, error="Broken."), verdict()), ReasonCode.NO_ANSWER),
        ((feedback("good"), feedback("poor", source="bob"), verdict()), ReasonCode.TIE),
        ((feedback("superb"), verdict()), ReasonCode.INVALID_VALUE),
        ((feedback("good", valid=False), verdict()), ReasonCode.NO_FEEDBACK),
        ((feedback("good", span_id="s1"), verdict()), ReasonCode.NO_FEEDBACK),
    ],
)
def test_every_trace_left_out_has_its_reason(
    assessments: tuple[Feedback, ...], code: ReasonCode
) -> None:
    found = examples_from_traces(
        "quality", [trace(*assessments)], SINGLE, Sides.default_for(KNOWN), value_type=KNOWN
    )
    assert found.usable == ()
    (excluded,) = found.excluded
    assert excluded[0] == "t1"
    assert excluded[1].code is code


@pytest.mark.parametrize("is_human_first", [True, False])
def test_feedback_before_or_after_the_verdict_counts_the_same(*, is_human_first: bool) -> None:
    pair = [feedback("poor", rationale="Too long."), verdict("good")]
    if not is_human_first:
        pair.reverse()
    (example,) = examples_from_traces(
        "quality", [trace(*pair)], SINGLE, Sides.default_for(KNOWN)
    ).usable
    assert (example.value, example.verdict_value, example.side) == ("poor", "good", Side.NEGATIVE)
    assert example.rationale == "Too long."


def test_an_example_shows_expectations_but_nothing_that_people_said() -> None:
    expected = Expectation(
        name="answer",
        value="42",
        source=AssessmentSource(source_type=SourceType.HUMAN, source_id="ann"),
    )
    (example,) = examples_from_traces(
        "quality", [trace(feedback("good"), verdict(), expected)], SINGLE, Sides.default_for(KNOWN)
    ).usable
    assert isinstance(example, Example)
    assert example.trace.assessments == (expected,)


def test_equal_inputs_share_a_group_and_a_trace_given_twice_counts_once() -> None:
    both = (feedback("good"), verdict())
    traces = [
        trace(*both, trace_id="a", question="Where is it?"),
        trace(*both, trace_id="b", question="Where is it?"),
        trace(*both, trace_id="c", question="How much?"),
        trace(*both, trace_id="c", question="How much?"),
    ]
    found = examples_from_traces("quality", traces, SINGLE, Sides.default_for(KNOWN))
    a, b, c = found.usable
    assert a.group == b.group != c.group


def test_a_value_that_does_not_fit_no_longer_matters_once_it_was_corrected() -> None:
    corrected = trace(feedback("superb"), feedback("GOOD"), verdict())
    (example,) = examples_from_traces(
        "quality", [corrected], SINGLE, Sides.default_for(KNOWN), value_type=KNOWN
    ).usable
    assert example.value == "good"


def test_an_adjudicator_settles_traces_too() -> None:
    disputed = trace(feedback("good"), feedback("poor", source="lena"), verdict())
    (example,) = examples_from_traces(
        "quality", [disputed], ADJUDICATED, Sides.default_for(KNOWN), adjudicator="lena"
    ).usable
    assert example.value == "poor"
