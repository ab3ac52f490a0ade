"""Drift watch: rounds of blind checks, alarms, and the standing sample that makes the rounds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from annotator.models import (
    ActivityLog,
    Assessment,
    DriftAlarm,
    FeedbackSession,
    Judge,
    Notification,
    Team,
    User,
    Visibility,
)
from annotator.services import drift, session_states
from annotator.services.drift_rounds import chart_of, rounds_of
from annotator.services.judges import edit_judge, update_settings
from judges.values import ValueKind, ValueType
from tests.annotator.run_rows import create_run
from tests.factories import (
    answer,
    assignment_of,
    create_experiment,
    create_judge,
    create_session,
    create_trace,
    create_verdict,
)

pytestmark = pytest.mark.django_db

GOOD_OR_POOR = ValueType(kind=ValueKind.CATEGORY, categories=("good", "poor"), ordered=True)
NOW = timezone.now()


@pytest.fixture
def judge(team: Team) -> Judge:
    """A judge whose alignment was tested on 24 held-out labels, 22 of them right."""
    judge = create_judge(experiment=create_experiment(team=team), value_type=GOOD_OR_POOR)
    items = [
        {
            "trace_id": f"held-{number}",
            "label": "good" if number % 2 else "poor",
            "side": "POSITIVE" if number % 2 else "NEGATIVE",
            "before": "good" if number % 2 or number < 4 else "poor",
            "after": "good",
        }
        for number in range(24)
    ]
    create_run(judge, status="SUCCEEDED", items=items)
    return judge


def check(
    judge: Judge,
    checker: User,
    pairs: Sequence[tuple[str, str]],
    *,
    ended: datetime | None = None,
    goal: str = "DRIFT",
    visibility: str = Visibility.BLIND,
) -> FeedbackSession:
    """A round of (verdict, what the expert says) that has ended."""
    traces = []
    for verdict, _ in pairs:
        traces.append(create_trace(experiment=judge.experiment))
        create_verdict(judge=judge, trace=traces[-1], value=verdict)
    session = create_session(
        judge=judge, reviewers=[checker], traces=traces, goal=goal, visibility=visibility
    )
    for trace, (_, value) in zip(traces, pairs, strict=True):
        place = assignment_of(user=checker, session=session, trace=trace)
        answer(user=checker, assignment=place, judge=judge, value=value)
    now = ended or timezone.now()
    session_states.begin_grace(session=session, now=now)
    session_states.close_session(session=session, now=now)
    return session


def _edit(judge: Judge, actor: User, *, added: str = "", model: str = "demo:/judge") -> None:
    before = judge.current_version
    assert before is not None
    edit_judge(
        actor=actor,
        judge=judge,
        instructions=before.instructions + added,
        value_type=before.value_type,
        model=model,
    )
    judge.refresh_from_db()


AGREES = [("good", "good")] * 9 + [("poor", "poor")] * 9 + [("good", "poor"), ("poor", "good")]
# every answer that the experts call poor is called good
TURNED = [("good", "good")] * 10 + [("good", "poor")] * 10


def test_a_round_that_agrees_as_the_test_did_raises_no_alarm(judge: Judge, alice: User) -> None:
    session = check(judge, alice, AGREES)
    (found,) = rounds_of(judge)
    assert found.session == session
    assert (found.round.total.hits, found.round.total.n) == (18, 20)
    (point,) = chart_of(judge)
    assert point.low is not None
    assert drift.look(judge=judge) == []


def test_a_judge_that_turns_one_class_around_raises_an_alarm_in_its_first_round(
    judge: Judge, alice: User
) -> None:
    check(judge, alice, TURNED)
    alarms = drift.look(judge=judge)
    assert {alarm.kind for alarm in alarms} == {"OUT_OF_CONTROL", "BELOW_FLOOR"}
    text = next(alarm.text for alarm in alarms if alarm.kind == "OUT_OF_CONTROL")
    assert "10 of 20" in text
    assert "negative" in text
    assert drift.look(judge=judge) == []  # told once
    assert ActivityLog.objects.filter(action="raised an alarm about").count() == 2


def test_leads_and_admins_are_told_of_an_alarm_once(
    judge: Judge, alice: User, lena: User, adam: User
) -> None:
    check(judge, alice, TURNED)
    drift.look(judge=judge)
    drift.look(judge=judge)
    told = Notification.objects.filter(kind="DRIFT")
    assert set(told.values_list("user", flat=True)) == {lena.pk, adam.pk}
    assert told.count() == 4  # two alarms, two people


def test_a_round_that_is_as_it_should_be_ends_the_alarm(judge: Judge, alice: User) -> None:
    check(judge, alice, TURNED, ended=NOW - timedelta(days=7))
    drift.look(judge=judge)
    check(judge, alice, AGREES * 4)
    drift.look(judge=judge)
    assert not DriftAlarm.objects.ringing().filter(kind="OUT_OF_CONTROL").exists()


def test_a_new_version_ends_the_alarms_about_the_old_one(
    judge: Judge, alice: User, adam: User
) -> None:
    check(judge, alice, TURNED)
    drift.look(judge=judge)
    _edit(judge, adam, added=" Be fair.")
    drift.look(judge=judge)
    assert not DriftAlarm.objects.ringing().exists()
    assert DriftAlarm.objects.first().end_reason == "Version 2 is in use now."  # type: ignore[union-attr]


def test_answers_that_saw_the_verdict_and_other_sessions_are_no_checks(
    judge: Judge, alice: User
) -> None:
    check(judge, alice, TURNED, visibility=Visibility.OPEN)
    check(judge, alice, TURNED, goal="FREE")
    assert rounds_of(judge) == []
    assert drift.look(judge=judge) == []


def test_the_floor_is_the_judges_own(judge: Judge, alice: User, adam: User) -> None:
    update_settings(actor=adam, judge=judge, agreement_floor=0.9)
    check(judge, alice, AGREES)
    (alarm,) = drift.look(judge=judge)
    assert alarm.kind == "BELOW_FLOOR"
    assert "the floor is 0.9" in alarm.text


def test_another_model_asks_for_a_check(judge: Judge, alice: User, adam: User) -> None:
    check(judge, alice, AGREES)
    _edit(judge, adam, model="openai:/other")
    (alarm,) = drift.look(judge=judge)
    assert alarm.kind == "MODEL_CHANGED"
    assert "openai:/other" in alarm.text
    assert "demo:/judge" in alarm.text


def test_another_model_than_the_one_that_was_tested_asks_for_a_check_without_any_round(
    judge: Judge, adam: User
) -> None:
    assert drift.look(judge=judge) == []
    _edit(judge, adam, model="openai:/other")
    (alarm,) = drift.look(judge=judge)
    assert alarm.kind == "MODEL_CHANGED"
    assert "neither a held-out test nor a round" in alarm.text


def test_a_provider_that_answers_with_another_model_under_the_same_name_is_noticed(
    judge: Judge,
) -> None:
    for served in ("big-2026-01-01", "big-2026-01-01", "big-2026-09-09"):
        verdict = create_verdict(judge=judge, trace=create_trace(experiment=judge.experiment))
        Assessment.objects.filter(pk=verdict.pk).update(served_by=served)
    (alarm,) = drift.look(judge=judge)
    assert alarm.kind == "MODEL_CHANGED"
    assert "big-2026-09-09" in alarm.text


def test_a_shifted_mix_of_verdicts_is_noticed_and_a_steady_one_is_not(judge: Judge) -> None:
    def judged(count: int, value: str, days_ago: int) -> None:
        for _ in range(count):
            trace = create_trace(
                experiment=judge.experiment, requested_at=NOW - timedelta(days=days_ago)
            )
            create_verdict(judge=judge, trace=trace, value=value)

    judged(40, "good", 20)
    judged(40, "poor", 20)
    judged(30, "good", 2)
    judged(26, "poor", 2)
    assert drift.look(judge=judge, now=NOW) == []
    judged(60, "good", 1)
    (alarm,) = drift.look(judge=judge, now=NOW)
    assert alarm.kind == "MIX_SHIFTED"
    assert "are good, before it was 50%" in alarm.text


def test_an_alarm_is_dismissed_with_a_reason_and_its_evidence_raises_none_again(
    judge: Judge, alice: User, lena: User
) -> None:
    check(judge, alice, TURNED)
    alarm = drift.look(judge=judge)[0]
    with pytest.raises(drift.DriftError, match="Say in a sentence"):
        drift.dismiss(actor=lena, alarm=alarm, reason=" ")
    drift.dismiss(actor=lena, alarm=alarm, reason="A holiday week.")
    with pytest.raises(drift.DriftError, match="over already"):
        drift.dismiss(actor=lena, alarm=alarm, reason="Again.")
    assert drift.look(judge=judge) == []
    assert alarm.ended_by == lena


def test_the_same_evidence_cannot_stand_twice(judge: Judge) -> None:
    row = {"judge": judge, "version": judge.current_version, "kind": "MIX_SHIFTED", "evidence": "x"}
    DriftAlarm.objects.create(**row)
    with pytest.raises(IntegrityError), transaction.atomic():
        DriftAlarm.objects.create(**row)
