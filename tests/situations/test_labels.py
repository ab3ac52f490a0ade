"""R1 to R7, R12, R15 and R21: what feedback teaches, where the best-known system learns something else from it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alignment.labels import LabelRule, examples_from_traces
from alignment.metric import Metric
from alignment.readiness import Thresholds, TraceState, readiness
from alignment.runner import run_alignment
from alignment.sides import Sides
from alignment.simba import SIMBAAlignmentOptimizer
from annotator.demo.http_stub import StubServer
from annotator.models import Team, User
from annotator.services.feedback import add_feedback
from annotator.services.readiness import labelled_traces, readiness_of
from judges.entities import AssessmentSource, Feedback, SourceType, Trace
from judges.errors import NotEnoughFeedbackError
from judges.instructions import InstructionsJudge
from judges.llm import Gateway
from judges.values import Value, ValueKind, ValueType
from tests.alignment.support_desk import desk_examples, desk_judge, traces_of
from tests.factories import (
    create_experiment,
    create_feedback,
    create_judge,
    create_trace,
    create_verdict,
)

YES_NO = ValueType(kind=ValueKind.BOOLEAN)
STARS = ValueType(kind=ValueKind.INTEGER, minimum=1, maximum=5)


def said(value: Value | None, *, by: str = "ann", error: str = "", valid: bool = True) -> Feedback:
    return Feedback(
        name="support",
        value=value,
        error=error,
        valid=valid,
        source=AssessmentSource(source_type=SourceType.HUMAN, source_id=by),
    )


def verdict(value: Value) -> Feedback:
    source = AssessmentSource(source_type=SourceType.LLM_JUDGE, source_id="demo:/judge")
    return Feedback(name="support", value=value, source=source)


def trace(*feedback: Feedback, trace_id: str = "t") -> Trace:
    return Trace(trace_id=trace_id, inputs="?", outputs="!", assessments=feedback)


def learnt(*traces: Trace, value_type: ValueType = YES_NO) -> dict[str, Value]:
    sides = Sides.default_for(value_type)
    found = examples_from_traces(
        "support", traces, LabelRule.MAJORITY, sides, value_type=value_type
    )
    return {example.trace.trace_id: example.value for example in found.usable}


@pytest.mark.django_db
def test_r01_a_reviewer_who_changes_true_to_false_teaches_false(team: Team, alice: User) -> None:
    judge = create_judge(experiment=create_experiment(team=team), value_type=YES_NO, name="support")
    stored = create_trace(experiment=judge.experiment)
    create_verdict(judge=judge, trace=stored, value=True)
    create_feedback(judge=judge, trace=stored, author=alice, value=True)
    add_feedback(author=alice, trace=stored, judge=judge, value=False)
    (label,) = labelled_traces(judge)[0]
    assert label.value is False
    assert label.votes == {"alice": False}


def test_r02_one_person_who_says_yes_three_times_does_not_outvote_two_who_say_no() -> None:
    repeated = [said(True, by="ann")] * 3
    others = [said(False, by="ben"), said(False, by="cleo")]
    assert learnt(trace(*repeated, *others, verdict(True))) == {"t": False}


def test_r03_a_label_of_4_stored_as_4_0_equals_the_verdict_4() -> None:
    examples = examples_from_traces(
        "support",
        [trace(said(4.0), verdict(4))],
        LabelRule.MAJORITY,
        Sides.default_for(STARS),
        value_type=STARS,
    ).usable
    (example,) = examples
    metric = Metric(value_type=STARS)
    assert (example.value, type(example.value)) == (4, int)
    assert metric.credit(4.0, 4) == metric.credit(example.value, 4.0) == 1.0


def test_r04_a_5_for_a_4_is_worth_more_than_a_1_for_a_5() -> None:
    metric = Metric(value_type=STARS)
    assert metric.credit(4, 5) == 0.75
    assert metric.credit(5, 1) == 0.0


def test_r05_feedback_with_an_error_or_without_a_value_teaches_nothing_and_says_why() -> None:
    found = examples_from_traces(
        "support",
        [
            trace(said(None, error="It timed out."), verdict(True), trace_id="error"),
            trace(said(None), verdict(True), trace_id="none"),
        ],
        LabelRule.MAJORITY,
        Sides.default_for(YES_NO),
        value_type=YES_NO,
    )
    assert found.usable == ()
    assert [trace_id for trace_id, _ in found.excluded] == ["error", "none"]
    assert all("cannot be judged, or made an error" in str(r) for _, r in found.excluded)


def test_r06_five_traces_with_two_labels_each_are_five_and_not_ten(
    stub: StubServer, judge: InstructionsJudge
) -> None:
    traces = [
        replace(each, assessments=(*each.assessments, said(example.value, by="ben")))
        for example, each in zip(desk_examples(5), traces_of(desk_examples(5)), strict=True)
    ]
    with pytest.raises(NotEnoughFeedbackError, match=r"more"):
        judge.align(traces)
    assert stub.calls == 0


def test_r07_fifty_labels_of_one_kind_are_refused_with_what_is_missing(
    stub: StubServer, judge: InstructionsJudge
) -> None:
    one_sided = [example for example in desk_examples(200) if example.value][:50]
    states = [TraceState(trace_id=e.trace.trace_id, label=True, verdict=False) for e in one_sided]
    state = readiness(states, sides=Sides.default_for(YES_NO), thresholds=Thresholds())
    assert state.missing == ["22 more negative"]
    with pytest.raises(NotEnoughFeedbackError, match="22 more negative"):
        judge.align(traces_of(one_sided))
    assert stub.calls == 0


@pytest.mark.django_db
def test_r07_the_app_refuses_them_too(team: Team, alice: User) -> None:
    judge = create_judge(experiment=create_experiment(team=team), value_type=YES_NO)
    for _ in range(12):
        stored = create_trace(experiment=judge.experiment)
        create_verdict(judge=judge, trace=stored, value=False)
        create_feedback(judge=judge, trace=stored, author=alice, value=True)
    assert readiness_of(judge).missing == ["6 more negative"]


def test_r15_an_unlabelled_trace_in_the_list_is_left_out_and_harms_nobody(
    judge: InstructionsJudge,
) -> None:
    traces = [*traces_of(desk_examples(14)), Trace(trace_id="bare", inputs="?", outputs="!")]
    optimizer = SIMBAAlignmentOptimizer(steps=1, candidates=2, batch_size=4)
    assert judge.align(traces, optimizer).name == "support"
    found = examples_from_traces(
        "support", traces, LabelRule.SINGLE, Sides.default_for(YES_NO), value_type=YES_NO
    )
    assert [(i, str(r)) for i, r in found.excluded] == [
        ("bare", "Nobody has given feedback named “support” yet.")
    ]


def test_r21_feedback_under_a_name_that_differs_in_case_is_reported_and_never_taken() -> None:
    other = replace(said(True), name="Support ")
    found = examples_from_traces(
        "support", [trace(other, verdict(True))], LabelRule.MAJORITY, Sides.default_for(YES_NO)
    )
    assert found.usable == ()
    ((_, reason),) = found.excluded
    assert "names must match exactly" in str(reason)


def test_r15_a_run_skips_a_trace_that_the_judge_cannot_be_shown() -> None:
    bare = replace(desk_examples(1)[0], trace=Trace(trace_id="bare", inputs="?"))
    result = run_alignment(
        judge=desk_judge(),
        examples=[bare, *desk_examples(40, start=1)],
        optimizer=SIMBAAlignmentOptimizer(steps=1, candidates=2, batch_size=4),
        gateway=Gateway(),
    )
    assert [trace_id for trace_id, _ in result.excluded] == ["bare"]
