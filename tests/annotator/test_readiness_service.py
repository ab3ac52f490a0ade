"""Readiness from the database: its numbers are those of the set that a run freezes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alignment import plugins
from alignment.labels import ReasonCode, Side
from annotator.models import Assessment, Experiment, Judge, JudgeVersion, Source, Team, Trace, User
from annotator.services import runs
from annotator.services.feedback import add_feedback, withdraw_feedback
from annotator.services.judges import edit_judge
from annotator.services.labels import refresh_labels
from annotator.services.readiness import labelled_traces, readiness_of, review_next
from judges.values import Value, ValueKind, ValueType
from tests.annotator.tagged_world import AddsARule
from tests.factories import (
    QUALITY,
    create_experiment,
    create_feedback,
    create_judge,
    create_trace,
    create_verdict,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def experiment(team: Team) -> Experiment:
    return create_experiment(team=team)


@pytest.fixture
def judge(experiment: Experiment) -> Judge:
    return create_judge(experiment=experiment, optimizer="adds-a-rule", alignment_policy="MANUAL")


@pytest.fixture(autouse=True)
def _optimizer() -> Iterator[None]:
    with plugins.override_optimizers({"adds-a-rule": AddsARule}):
        yield


def reviewed(
    judge: Judge,
    author: User,
    value: Value | None,
    *,
    verdict: Value | None = "good",
    **fields: str,
) -> Trace:
    """A trace with somebody's answer and perhaps a verdict."""
    trace = create_trace(experiment=judge.experiment)
    if verdict is not None:
        create_verdict(judge=judge, trace=trace, value=verdict)
    create_feedback(judge=judge, trace=trace, author=author, value=value, **fields)
    return trace


def why_left_out(judge: Judge) -> dict[str, ReasonCode]:
    return {trace_id: reason.code for trace_id, reason in readiness_of(judge).excluded}


def test_a_trace_teaches_when_it_has_label_and_verdict_in_whichever_order_they_came(
    judge: Judge, alice: User
) -> None:
    first, second = (create_trace(experiment=judge.experiment) for _ in range(2))
    create_verdict(judge=judge, trace=first)
    create_feedback(judge=judge, trace=first, author=alice)
    create_feedback(judge=judge, trace=second, author=alice)
    assert readiness_of(judge).usable == 1
    create_verdict(judge=judge, trace=second)
    assert readiness_of(judge).usable == 2
    assert readiness_of(judge).by_side[Side.POSITIVE] == 2


def test_every_trace_left_out_has_its_reason(
    judge: Judge, alice: User, lena: User, adam: User
) -> None:
    used = reviewed(judge, alice, "good")
    no_verdict = reviewed(judge, alice, "good", verdict=None)
    declined = reviewed(judge, alice, None, declined_reason="Outside my field")
    tied = reviewed(judge, alice, "good")
    create_feedback(judge=judge, trace=tied, author=lena, value="poor")
    unfitting = reviewed(judge, alice, "good")
    Assessment.objects.human().filter(trace=unfitting).update(value="superb", value_key="superb")
    stale_verdict = reviewed(judge, alice, "poor")
    Assessment.objects.verdicts().filter(trace=stale_verdict).update(value="superb")
    withdrawn = reviewed(judge, alice, "good")
    for feedback in Assessment.objects.human().filter(trace=withdrawn):
        withdraw_feedback(author=alice, assessment=feedback)
    assert why_left_out(judge) == {
        no_verdict.trace_id: ReasonCode.NO_VERDICT,
        declined.trace_id: ReasonCode.NO_ANSWER,
        tied.trace_id: ReasonCode.TIE,
        unfitting.trace_id: ReasonCode.INVALID_VALUE,
        stale_verdict.trace_id: ReasonCode.NO_VERDICT,
        withdrawn.trace_id: ReasonCode.NO_FEEDBACK,
    }
    state = readiness_of(judge)
    assert state.usable == 1
    assert set(state.run_judge_on) == {no_verdict.trace_id, stale_verdict.trace_id}
    assert all(str(reason) for _, reason in state.excluded)
    assert [item.trace_id for item in labelled_traces(judge)[0]] == [used.trace_id]


def test_the_numbers_are_those_of_the_set_that_a_run_freezes(
    judge: Judge, alice: User, lena: User, adam: User
) -> None:
    for value in ("good", "poor", "fair", "excellent") * 4:
        reviewed(judge, alice, value)
    reviewed(judge, alice, "good", verdict=None)
    reviewed(judge, alice, None, declined_reason="No idea")
    tied = reviewed(judge, alice, "good")
    create_feedback(judge=judge, trace=tied, author=lena, value="fair")
    create_verdict(judge=judge, trace=create_trace(experiment=judge.experiment))
    state = readiness_of(judge)
    assert state.is_ready, state.missing
    run = runs.start_run(actor=adam, judge=judge)
    assert state.usable == len(run.examples) == 16
    sides = [judge.side_of(example["value"]) for example in run.examples]
    assert {side: sides.count(side) for side in Side} == state.by_side
    frozen = {example["trace"]["trace_id"] for example in run.examples}
    left_out = {trace_id for trace_id, reason in state.excluded if reason.code != "NO_FEEDBACK"}
    assert {row["trace_id"] for row in run.excluded} == left_out
    assert not frozen & left_out
    assert len(left_out) == 3


def test_what_is_missing_is_said_and_adding_exactly_that_makes_it_ready(
    judge: Judge, alice: User
) -> None:
    for _ in range(8):
        reviewed(judge, alice, "good")
    assert readiness_of(judge).missing == ["4 more negative"]
    for _ in range(4):
        assert not readiness_of(judge).is_ready
        reviewed(judge, alice, "poor")
    assert readiness_of(judge).is_ready


def test_the_newest_verdict_counts_whichever_version_gave_it(
    judge: Judge, alice: User, adam: User
) -> None:
    trace = reviewed(judge, alice, "poor", verdict="good")
    edit_judge(
        actor=adam,
        judge=judge,
        instructions="Grade {{ outputs }}.",
        value_type=QUALITY,
        model="demo:/judge",
    )
    assert labelled_traces(judge)[0][0].verdict == "good", "an edit does not take verdicts away"
    create_verdict(judge=judge, trace=trace, value="fair")
    assert labelled_traces(judge)[0][0].verdict == "fair"


def test_a_renamed_category_leaves_its_labels_and_verdicts_out_with_the_reason(
    judge: Judge, alice: User, adam: User
) -> None:
    gone = reviewed(judge, alice, "excellent")
    stale = reviewed(judge, alice, "good", verdict="excellent")
    fits = reviewed(judge, alice, "good")
    edit_judge(
        actor=adam,
        judge=judge,
        instructions="Grade {{ outputs }}.",
        value_type=ValueType(
            kind=ValueKind.CATEGORY, categories=("great", "good", "fair", "poor"), ordered=True
        ),
        model="demo:/judge",
    )
    state = readiness_of(judge)
    assert state.usable == 1
    reasons = {trace_id: str(reason) for trace_id, reason in state.excluded}
    assert "'excellent' is not one of: great, good, fair, poor" in reasons[gone.trace_id]
    assert state.run_judge_on == (stale.trace_id,)
    assert [item.trace_id for item in labelled_traces(judge)[0]] == [fits.trace_id]


def test_failed_invalid_and_span_verdicts_are_none(judge: Judge, alice: User) -> None:
    failed, invalid, on_span = (reviewed(judge, alice, "good") for _ in range(3))
    verdicts = Assessment.objects.filter(source_type=Source.LLM_JUDGE)
    verdicts.filter(trace=failed).update(error_text="The model was silent.")
    verdicts.filter(trace=invalid).update(valid=False)
    verdicts.filter(trace=on_span).update(span_id="s1")
    assert readiness_of(judge).usable == 0
    assert set(why_left_out(judge).values()) == {ReasonCode.NO_VERDICT}


def test_what_to_review_next_is_what_nobody_answered_and_the_lacking_side_comes_first(
    judge: Judge, alice: User, lena: User
) -> None:
    for _ in range(8):
        reviewed(judge, alice, "good")
    open_ones = {}
    for verdict in ("good", "poor"):
        trace = create_trace(experiment=judge.experiment)
        create_verdict(judge=judge, trace=trace, value=verdict)
        open_ones[verdict] = trace
    create_trace(experiment=judge.experiment)  # no verdict: the judge comes first
    expected = [open_ones["poor"].trace_id, open_ones["good"].trace_id]
    assert review_next(judge=judge, user=lena) == expected
    assert review_next(judge=judge, user=lena, limit=1) == expected[:1]


def test_what_the_user_did_is_not_proposed_again_until_it_is_withdrawn(
    judge: Judge, alice: User
) -> None:
    traces = [create_trace(experiment=judge.experiment) for _ in range(3)]
    for trace in traces:
        create_verdict(judge=judge, trace=trace)
    done = create_feedback(judge=judge, trace=traces[0], author=alice)
    add_feedback(author=alice, trace=traces[1], judge=judge, declined_reason="No idea")
    assert review_next(judge=judge, user=alice) == [traces[2].trace_id]
    withdraw_feedback(author=alice, assessment=done)
    assert set(review_next(judge=judge, user=alice)) == {traces[0].trace_id, traces[2].trace_id}


def test_feedback_on_a_step_alone_leaves_the_trace_to_be_reviewed(
    judge: Judge, alice: User
) -> None:
    trace = create_trace(experiment=judge.experiment)
    trace.spans.create(span_id="s1", name="search", start_ns=1)
    create_verdict(judge=judge, trace=trace)
    create_feedback(judge=judge, trace=trace, author=alice, span_id="s1")
    assert review_next(judge=judge, user=alice) == [trace.trace_id]


def test_the_number_of_queries_does_not_depend_on_the_number_of_labels(
    judge: Judge, alice: User
) -> None:
    _fill(judge, labels=20, versions=2, unreviewed=5)
    with CaptureQueriesContext(connection) as few:
        assert readiness_of(Judge.objects.get(pk=judge.pk)).usable == 20
    _fill(judge, labels=180, versions=2, unreviewed=50)
    with CaptureQueriesContext(connection) as many:
        assert readiness_of(Judge.objects.get(pk=judge.pk)).usable == 200
    assert len(many) == len(few) <= 7
    with CaptureQueriesContext(connection) as reviewing:
        assert review_next(judge=judge, user=alice)
    assert len(reviewing) <= 7


def _fill(judge: Judge, *, labels: int, versions: int, unreviewed: int) -> None:
    """Traces with an answer and two verdicts a version (an old and a valid one), and traces without an answer."""
    first = JudgeVersion.objects.filter(judge=judge).count()
    numbers = range(first + 1, first + versions)
    current = judge.current_version
    assert current is not None
    JudgeVersion.objects.bulk_create(
        [
            JudgeVersion(
                judge=judge,
                number=number,
                instructions=current.instructions,
                value_type_data=current.value_type_data,
            )
            for number in numbers
        ]
    )
    all_versions = list(JudgeVersion.objects.filter(judge=judge).order_by("-number")[:versions])
    start = Trace.objects.count()
    traces = Trace.objects.bulk_create(
        [
            Trace(
                experiment=judge.experiment,
                trace_id=f"bulk-{number}",
                inputs={"question": json.dumps(number)},
            )
            for number in range(start, start + labels + unreviewed)
        ],
        batch_size=1_000,
    )
    rows = []
    for number, trace in enumerate(traces):
        value = ("good", "poor", "fair", "excellent")[number % 4]
        if number < labels:
            rows.append(
                Assessment(
                    trace=trace,
                    name=judge.name,
                    source_type=Source.HUMAN,
                    source_id="anna",
                    value=value,
                    value_key=value,
                )
            )
        rows += [
            Assessment(
                trace=trace,
                name=judge.name,
                source_type=Source.LLM_JUDGE,
                source_id="demo:/judge",
                judge_version=version,
                valid=valid,
                value="good",
                value_key="good",
            )
            for version in all_versions
            for valid in (False, True)
        ]
    Assessment.objects.bulk_create(rows, batch_size=1_000)
    refresh_labels(judge=judge)


def test_a_judge_of_free_text_says_what_would_let_it_be_aligned(experiment: Experiment) -> None:
    judge = create_judge(experiment=experiment, value_type=ValueType(kind=ValueKind.TEXT))
    state = readiness_of(judge)
    assert not state.is_ready
    assert state.missing == [
        "free text is neither positive nor negative; to align the judge, give it categories, yes or no, or a number"
    ]
