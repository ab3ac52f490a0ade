"""Labels settled by hand, causes of disagreements, and what a lead's list of them holds."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alignment.labels import LabelRule
from annotator.models import (
    ActivityLog,
    Assessment,
    DisagreementCause,
    Experiment,
    Judge,
    Settlement,
    Team,
    Trace,
    User,
)
from annotator.services.causes import CauseError, forget_cause, record_cause
from annotator.services.disagreements import disagreements_in
from annotator.services.feedback import withdraw_feedback
from annotator.services.judges import update_settings
from annotator.services.labels import refresh_labels
from annotator.services.readiness import labelled_traces
from annotator.services.settling import SettlingError, pin, reopen, settle_label
from tests.factories import (
    create_experiment,
    create_feedback,
    create_judge,
    create_trace,
    create_user,
    create_verdict,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def experiment(team: Team) -> Experiment:
    return create_experiment(team=team)


@pytest.fixture
def judge(experiment: Experiment) -> Judge:
    return create_judge(experiment=experiment)


@pytest.fixture
def ben(team: Team) -> User:
    return create_user(username="ben", team=team)


@pytest.fixture
def trace(experiment: Experiment, judge: Judge, alice: User, ben: User) -> Trace:
    """A trace on which alice says poor, ben good, and the judge good."""
    trace = create_trace(experiment=experiment)
    create_verdict(judge=judge, trace=trace, value="good")
    create_feedback(judge=judge, trace=trace, author=alice, value="poor", rationale="No date.")
    create_feedback(judge=judge, trace=trace, author=ben, value="good", rationale="It helps.")
    return trace


@pytest.mark.parametrize("rule", list(LabelRule))
def test_a_settled_label_holds_under_every_rule_and_the_answers_stay(
    rule: LabelRule, judge: Judge, trace: Trace, lena: User, adam: User
) -> None:
    update_settings(actor=adam, judge=judge, label_rule=rule.value, adjudicator="ben")
    before = list(Assessment.objects.order_by("pk").values())
    settlement = settle_label(actor=lena, judge=judge, trace=trace, value="poor")
    label = judge.labels.get()
    assert (label.value, label.rule, label.settled_by) == ("poor", "ADJUDICATED", "lena")
    assert label.settled_at == settlement.settled_at
    assert label.votes == {"poor": 1, "good": 1}
    assert list(Assessment.objects.order_by("pk").values()) == before
    assert refresh_labels(judge=judge) == 0
    assert labelled_traces(judge)[0][0].value == "poor"
    assert labelled_traces(judge)[0][0].rationale == "No date.", "lent by who answered the same"


def test_reopening_gives_the_label_back_to_the_rule_and_the_decision_is_kept(
    judge: Judge, trace: Trace, lena: User
) -> None:
    settlement = settle_label(actor=lena, judge=judge, trace=trace, value="poor", rationale="So.")
    pin(actor=lena, settlement=settlement, pinned=True)
    reopen(actor=lena, settlement=settlement)
    assert not judge.labels.exists(), "the answers are tied"
    settlement.refresh_from_db()
    assert (settlement.reopened_by, settlement.pinned_at) == (lena, None)
    with pytest.raises(SettlingError, match="reopened already"):
        reopen(actor=lena, settlement=settlement)
    with pytest.raises(SettlingError, match="settle it first"):
        pin(actor=lena, settlement=settlement, pinned=True)
    settle_label(actor=lena, judge=judge, trace=trace, value="good")
    assert judge.labels.get().value == "good"
    assert Settlement.objects.count() == 2
    done = list(ActivityLog.objects.order_by("pk").values_list("action", flat=True))
    assert [deed for deed in done if deed in {"settled", "pinned", "reopened"}] == [
        "settled",
        "pinned",
        "reopened",
        "settled",
    ]


def test_deciding_again_replaces_the_decision(judge: Judge, trace: Trace, lena: User) -> None:
    for value in ("poor", "good"):
        settle_label(actor=lena, judge=judge, trace=trace, value=value)
    assert Settlement.objects.in_force().get().value == "good"
    assert judge.labels.get().value == "good"


def test_a_decision_outlives_the_answers_it_was_made_on(
    judge: Judge, trace: Trace, lena: User, alice: User, ben: User
) -> None:
    settle_label(actor=lena, judge=judge, trace=trace, value="poor", rationale="No date given.")
    for answer in Assessment.objects.human():
        assert answer.author is not None
        withdraw_feedback(author=answer.author, assessment=answer)
    assert judge.labels.get().value == "poor"
    assert [each.value for each in labelled_traces(judge)[0]] == ["poor"]


def test_leads_admins_and_the_named_person_settle_and_nobody_else(
    judge: Judge, trace: Trace, alice: User, ben: User, lena: User, adam: User, olga: User
) -> None:
    update_settings(actor=adam, judge=judge, adjudicator="ben")
    for user in (lena, adam, ben):
        settle_label(actor=user, judge=judge, trace=trace, value="poor")
    update_settings(actor=adam, judge=judge, adjudicator="olga")
    settlement = Settlement.objects.in_force().get()
    for user in (alice, ben, olga):
        with pytest.raises(SettlingError, match="Only team leads"):
            settle_label(actor=user, judge=judge, trace=trace, value="good")
        with pytest.raises(SettlingError, match="Only team leads"):
            reopen(actor=user, settlement=settlement)
        with pytest.raises(SettlingError, match="Only team leads"):
            pin(actor=user, settlement=settlement, pinned=True)
        with pytest.raises(CauseError, match="Only team leads"):
            record_cause(actor=user, judge=judge, trace=trace, cause="PERSON")


def test_what_cannot_be_settled_says_why_and_changes_nothing(
    judge: Judge, trace: Trace, experiment: Experiment, lena: User
) -> None:
    unanswered = create_trace(experiment=experiment)
    for wrong, field in (
        ({"value": "awful"}, "value"),
        ({"value": ""}, "value"),
        ({"trace": unanswered}, "value"),
        ({"trace": create_trace()}, "value"),
        ({"rationale": "x" * 20_001}, "rationale"),
        ({"cause": "WEATHER"}, "cause"),
        ({"cause": "PERSON", "note": "x" * 2_001}, "note"),
    ):
        with pytest.raises(SettlingError) as refused:
            settle_label(
                **{"actor": lena, "judge": judge, "trace": trace, "value": "poor", **wrong}  # type: ignore[arg-type]
            )
        assert refused.value.field == field
    assert not Settlement.objects.exists()
    assert not DisagreementCause.objects.exists()


def test_a_cause_counts_until_an_answer_or_the_verdict_changes(
    judge: Judge, trace: Trace, lena: User, alice: User
) -> None:
    row = disagreements_in(judge, user=lena)[0]
    assert (row.cause, row.is_open, row.has_label) == (None, True, False)
    settle_label(
        actor=lena, judge=judge, trace=trace, value="poor", cause="JUDGE", note="It misses dates."
    )
    row = disagreements_in(judge, user=lena)[0]
    assert row.cause is not None
    assert (row.cause.cause, row.is_open, row.is_settled) == ("JUDGE", False, True)
    create_verdict(judge=judge, trace=trace, value="fair")
    assert disagreements_in(judge, user=lena)[0].cause is None
    create_verdict(judge=judge, trace=trace, value="good")
    assert disagreements_in(judge, user=lena)[0].cause is not None
    create_feedback(judge=judge, trace=trace, author=alice, value="fair")
    assert disagreements_in(judge, user=lena)[0].cause is None


def test_fixing_the_label_to_the_verdict_keeps_the_disagreement_with_its_cause(
    judge: Judge, experiment: Experiment, alice: User, lena: User
) -> None:
    trace = create_trace(experiment=experiment)
    create_verdict(judge=judge, trace=trace, value="good")
    create_feedback(judge=judge, trace=trace, author=alice, value="poor")
    settle_label(actor=lena, judge=judge, trace=trace, value="good", cause="PERSON")
    row = disagreements_in(judge, user=lena)[0]
    assert row.cause is not None
    assert (row.cause.cause, row.is_open) == ("PERSON", False)


def test_a_cause_is_changed_and_taken_back_and_the_log_keeps_every_opinion(
    judge: Judge, trace: Trace, lena: User, experiment: Experiment, alice: User
) -> None:
    for cause in ("PERSON", "GUIDELINE"):
        recorded = record_cause(actor=lena, judge=judge, trace=trace, cause=cause, note="Why.")
    forget_cause(actor=lena, cause=recorded)
    assert not DisagreementCause.objects.exists()
    entries = ActivityLog.objects.filter(target_kind="disagreementcause").order_by("pk")
    assert [(entry.before, entry.after) for entry in entries] == [
        (None, {"cause": "PERSON", "note": "Why."}),
        ({"cause": "PERSON", "note": "Why."}, {"cause": "GUIDELINE", "note": "Why."}),
        ({"cause": "GUIDELINE", "note": "Why."}, None),
    ]
    agreed = create_trace(experiment=experiment)
    create_feedback(judge=judge, trace=agreed, author=alice, value="poor")
    with pytest.raises(CauseError, match="do not differ"):
        record_cause(actor=lena, judge=judge, trace=agreed, cause="PERSON")


def test_the_database_refuses_a_second_decision_and_an_answered_gap_that_is_none(
    judge: Judge, trace: Trace, lena: User
) -> None:
    settle_label(actor=lena, judge=judge, trace=trace, value="poor", cause="PERSON")
    double = Settlement(judge=judge, trace=trace, value="good", value_key="good", source_id="x")
    with pytest.raises(IntegrityError), transaction.atomic():
        double.save()
    with pytest.raises(IntegrityError), transaction.atomic():
        DisagreementCause.objects.update(cause="WEATHER")


def test_experts_know_only_of_disagreements_on_what_they_answered_themselves(
    judge: Judge, trace: Trace, alice: User, lena: User, team: Team, adam: User
) -> None:
    carl = create_user(username="carl", team=team)
    assert [row.trace_pk for row in disagreements_in(judge, user=alice)] == [trace.pk]
    assert disagreements_in(judge, user=carl) == []
    update_settings(actor=adam, judge=judge, adjudicator="carl")
    assert [row.trace_pk for row in disagreements_in(judge, user=carl)] == [trace.pk]


def test_the_number_of_queries_does_not_depend_on_the_number_of_disagreements(
    judge: Judge, experiment: Experiment, alice: User, ben: User, lena: User
) -> None:
    def fill(number: int) -> int:
        for _ in range(number):
            trace = create_trace(experiment=experiment)
            create_verdict(judge=judge, trace=trace)
            for author, value in ((alice, "poor"), (ben, "good")):
                create_feedback(judge=judge, trace=trace, author=author, value=value)
        with CaptureQueriesContext(connection) as queries:
            disagreements_in(Judge.objects.get(pk=judge.pk), user=User.objects.get(pk=lena.pk))
        return len(queries)

    assert fill(2) == fill(8)


def test_answers_by_an_older_wording_teach_no_more_where_the_judge_is_set_so(
    judge: Judge, trace: Trace, lena: User
) -> None:
    settle_label(actor=lena, judge=judge, trace=trace, value="poor")
    Assessment.objects.update(created_at=timezone.now() - timedelta(days=1))
    judge.guidelines.create(number=1, choose_when={"good": "It helps."})
    judge.only_current_guideline = True
    judge.save()
    refresh_labels(judge=judge)
    assert judge.labels.get().votes == {"poor": 1}, "good is worded otherwise than when ben said it"
    judge.guidelines.create(number=2, touches_all=True)
    refresh_labels(judge=judge)
    assert not judge.labels.exists()
    usable, states = labelled_traces(judge)
    assert usable == []
    assert states[0].no_label is not None
    assert states[0].no_label.code == "SUPERSEDED"
