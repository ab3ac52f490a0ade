"""Labels in the database: in step with people's answers, whatever happens to the judge meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from alignment.labels import LabelRule, ReasonCode, Unsettled
from annotator.models import Assessment, Experiment, Judge, Label, Source, Team, Trace, User
from annotator.services.feedback import add_feedback, withdraw_feedback
from annotator.services.judges import edit_judge, roll_back, update_settings
from annotator.services.label_previews import preview_rule
from annotator.services.labels import (
    refresh_labels,
    settle_votes,
    votes_by_trace,
)
from judges.values import Value, ValueKind, ValueType
from tests.factories import create_experiment, create_feedback, create_judge, create_trace

pytestmark = pytest.mark.django_db

RENAMED = ValueType(
    kind=ValueKind.CATEGORY, categories=("great", "good", "fair", "poor"), ordered=True
)


@pytest.fixture
def experiment(team: Team) -> Experiment:
    return create_experiment(team=team)


@pytest.fixture
def judge(experiment: Experiment) -> Judge:
    return create_judge(experiment=experiment)


@pytest.fixture
def trace(experiment: Experiment) -> Trace:
    return create_trace(experiment=experiment)


def answer(trace: Trace, name: str, **values: Value | None) -> None:
    """Everybody's answers as an import stores them: person=value, None for “cannot judge”."""
    for person, value in values.items():
        Assessment.objects.create(
            trace=trace,
            name=name,
            source_type=Source.HUMAN,
            source_id=person,
            value=value,
            declined_reason="" if value is not None else "No idea",
        )


def edit(judge: Judge, actor: User, value_type: ValueType) -> None:
    edit_judge(
        actor=actor,
        judge=judge,
        instructions="Grade {{ outputs }}.",
        value_type=value_type,
        model="demo:/judge",
    )


@pytest.mark.parametrize(
    ("rule", "answers", "label", "why_none"),
    [
        (LabelRule.SINGLE, {"a": "good"}, "good", None),
        (LabelRule.SINGLE, {"a": "good", "b": "poor", "c": "poor"}, "poor", None),
        (LabelRule.SINGLE, {"a": "good", "b": "poor"}, None, ReasonCode.TIE),
        (LabelRule.UNANIMOUS, {"a": "good", "b": "good"}, "good", None),
        (LabelRule.UNANIMOUS, {"a": "good", "b": "good", "c": None}, "good", None),
        (
            LabelRule.UNANIMOUS,
            {"a": "good", "b": "good", "c": "poor"},
            None,
            ReasonCode.NOT_UNANIMOUS,
        ),
        (LabelRule.MAJORITY, {"a": "good", "b": "good", "c": "poor"}, "good", None),
        (LabelRule.MAJORITY, {"a": "good", "b": "poor"}, None, ReasonCode.TIE),
        (LabelRule.MAJORITY, {"a": "good", "b": "poor", "c": None}, None, ReasonCode.TIE),
        (LabelRule.MAJORITY, {"a": None}, None, ReasonCode.NO_ANSWER),
        (LabelRule.ADJUDICATED, {"a": "good", "chief": "poor"}, "poor", None),
        (LabelRule.ADJUDICATED, {"a": "good"}, None, ReasonCode.AWAITS_ADJUDICATION),
        (
            LabelRule.ADJUDICATED,
            {"a": "good", "chief": None},
            None,
            ReasonCode.AWAITS_ADJUDICATION,
        ),
    ],
)
def test_the_rule_makes_the_label_or_says_why_there_is_none(
    experiment: Experiment,
    trace: Trace,
    rule: LabelRule,
    answers: dict[str, Value | None],
    label: Value | None,
    why_none: ReasonCode | None,
) -> None:
    judge = create_judge(experiment=experiment, label_rule=rule.value, adjudicator="chief")
    answer(trace, judge.name, **answers)
    refresh_labels(judge=judge)
    stored = Label.objects.filter(judge=judge).first()
    assert (stored.value if stored else None) == label
    settled = settle_votes(judge, votes_by_trace(judge)[trace.pk])
    assert (settled.reason.code if isinstance(settled, Unsettled) else None) == why_none


def test_a_label_names_the_rule_the_votes_and_who_settled_it(judge: Judge, trace: Trace) -> None:
    answer(trace, judge.name, anna="good", ben="poor", carl="good")
    refresh_labels(judge=judge)
    label = judge.labels.get()
    assert (label.value_key, label.rule) == ("good", "MAJORITY")
    assert label.votes == {"good": 2, "poor": 1}
    assert label.settled_by == "anna, carl"


def test_a_tie_that_comes_about_takes_the_label_away_and_a_third_answer_brings_it_back(
    judge: Judge, trace: Trace, alice: User, lena: User, adam: User
) -> None:
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    create_feedback(judge=judge, trace=trace, author=lena, value="poor")
    assert not judge.labels.exists()
    third = create_feedback(judge=judge, trace=trace, author=adam, value="poor")
    assert judge.labels.get().value == "poor"
    withdraw_feedback(author=adam, assessment=third)
    assert not judge.labels.exists()


def test_answers_under_another_name_or_in_another_experiment_teach_nothing(
    judge: Judge, trace: Trace
) -> None:
    for name in ("Quality", "quality ", "quality2"):
        answer(trace, name, anna="good")
    answer(create_trace(), judge.name, anna="good")
    assert refresh_labels(judge=judge) == 0
    assert not votes_by_trace(judge)


def test_making_all_labels_anew_counts_only_what_changed(
    judge: Judge, experiment: Experiment
) -> None:
    for number in range(3):
        answer(
            create_trace(experiment=experiment),
            judge.name,
            anna="good",
            ben=("good", "fair")[number % 2],
        )
    assert refresh_labels(judge=judge) == 2
    settled_at = list(judge.labels.order_by("pk").values_list("settled_at", flat=True))
    assert refresh_labels(judge=judge) == 0
    assert list(judge.labels.order_by("pk").values_list("settled_at", flat=True)) == settled_at
    Assessment.objects.filter(source_id="ben").update(valid=False)
    assert refresh_labels(judge=judge) == 3, "two with other votes, one that is new"
    Assessment.objects.update(valid=False)
    assert refresh_labels(judge=judge) == 3
    assert not judge.labels.exists()


def test_a_renamed_category_takes_its_labels_along_and_a_roll_back_brings_them_again(
    judge: Judge, experiment: Experiment, adam: User
) -> None:
    for value in ("excellent", "excellent", "good"):
        answer(create_trace(experiment=experiment), judge.name, anna=value)
    refresh_labels(judge=judge)
    edit(judge, adam, RENAMED)
    assert [label.value for label in judge.labels.all()] == ["good"]
    assert Assessment.objects.human().for_judge(judge).count() == 3, "the answers are kept"
    roll_back(actor=adam, judge=judge)
    assert judge.labels.count() == 3


def test_a_category_of_other_case_is_the_same_value_as_the_judge_writes_it(
    judge: Judge, trace: Trace, adam: User
) -> None:
    answer(trace, judge.name, anna="good")
    edit(judge, adam, ValueType(kind=ValueKind.CATEGORY, categories=("Good", "Poor"), ordered=True))
    assert (judge.labels.get().value, judge.labels.get().value_key) == ("Good", "Good")


def test_the_preview_of_a_rule_counts_what_applying_it_does(
    judge: Judge, experiment: Experiment, adam: User
) -> None:
    table = [("good", "good", "good"), ("good", "good", "poor"), ("good", "poor", "fair")]
    for anna, ben, chief in table:
        answer(create_trace(experiment=experiment), judge.name, anna=anna, ben=ben, chief=chief)
    refresh_labels(judge=judge)
    preview = preview_rule(judge=judge, rule=LabelRule.ADJUDICATED, adjudicator="chief")
    assert preview.counts() == {"before": 2, "after": 3, "changed": 1, "gained": 1, "lost": 0}
    update_settings(
        actor=adam, judge=judge, label_rule=LabelRule.ADJUDICATED.value, adjudicator="chief"
    )
    values = judge.labels.order_by("trace_id").values_list("value_key", flat=True)
    assert list(values) == ["good", "poor", "fair"]


@pytest.mark.django_db(transaction=True)
def test_feedback_given_while_the_rule_changes_is_settled_by_the_new_rule(
    judge: Judge, trace: Trace, alice: User, adam: User
) -> None:
    answer(trace, judge.name, adam="good")
    refresh_labels(judge=judge)
    together = Barrier(2)

    def change_rule() -> None:
        own = Judge.objects.get(pk=judge.pk)
        together.wait()
        update_settings(actor=adam, judge=own, label_rule="ADJUDICATED", adjudicator="alice")
        connection.close()

    def answer_it() -> None:
        own = Judge.objects.get(pk=judge.pk)
        together.wait()
        add_feedback(author=alice, trace=trace, judge=own, value="poor")
        connection.close()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(change_rule), pool.submit(answer_it)]:
            done.result()
    label = judge.labels.get()
    assert (label.value, label.rule) == ("poor", "ADJUDICATED")


def test_changes_make_the_readiness_due_only_where_runs_start_by_themselves(
    experiment: Experiment, trace: Trace, alice: User
) -> None:
    automatic = create_judge(experiment=experiment, name="automatic")
    manual = create_judge(experiment=experiment, name="manual", alignment_policy="MANUAL")
    Judge.objects.update(readiness_due_at=None)
    before = timezone.now()
    for judge in (automatic, manual):
        create_feedback(judge=judge, trace=trace, author=alice)
        judge.refresh_from_db()
    assert automatic.readiness_due_at is not None
    assert automatic.readiness_due_at >= before
    assert manual.readiness_due_at is None


def test_the_number_of_queries_does_not_depend_on_the_number_of_labels(
    judge: Judge, experiment: Experiment, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    for _ in range(40):
        answer(create_trace(experiment=experiment), judge.name, anna="good")
    with django_assert_max_num_queries(10):
        refresh_labels(judge=judge)
    with django_assert_num_queries(3):
        preview_rule(judge=judge, rule=LabelRule.UNANIMOUS)
