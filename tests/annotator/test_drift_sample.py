"""The standing sample that drift is seen by: rounds of new verdicts, of earlier ones, or none and why."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from annotator.models import (
    Assessment,
    DriftAlarm,
    FeedbackSession,
    Judge,
    JudgeJob,
    StandingRule,
    User,
)
from annotator.services import drift_watch, session_clock
from annotator.services.session_checks import SessionError
from tests.annotator.test_drift import AGREES, check, judge
from tests.factories import (
    answer,
    assignment_of,
    create_feedback,
    create_trace,
    create_verdict,
)

__all__ = ["judge"]  # a fixture

pytestmark = pytest.mark.django_db


def test_a_watch_makes_blind_rounds_of_random_new_traces_and_has_them_judged(
    judge: Judge, lena: User, alice: User
) -> None:
    rule = drift_watch.watch(actor=lena, judge=judge, reviewers=[alice], items=5, every_days=7)
    traces = [create_trace(experiment=judge.experiment) for _ in range(12)]
    judged = {create_verdict(judge=judge, trace=trace).trace_id for trace in traces[:4]}
    session_clock.tick(now=rule.next_at)
    round_ = FeedbackSession.objects.get(rule=rule)
    assert (round_.goal, round_.status, round_.visibility) == ("DRIFT", "OPEN", "BLIND")
    assert round_.items.count() == 5
    (job,) = JudgeJob.objects.all()
    asked = {pk for shard in job.shards.all() for pk in shard.trace_pks}
    assert asked == set(round_.items.values_list("trace_id", flat=True)) - judged


def test_the_end_of_a_round_has_the_judge_looked_at(judge: Judge, lena: User, alice: User) -> None:
    rule = drift_watch.watch(actor=lena, judge=judge, reviewers=[alice], items=10)
    for number in range(10):
        trace = create_trace(experiment=judge.experiment)
        create_verdict(judge=judge, trace=trace, value="good" if number % 2 else "poor")
    session_clock.tick(now=rule.next_at)
    round_ = FeedbackSession.objects.get(rule=rule)
    for item in round_.items.select_related("trace"):
        verdict = Assessment.objects.verdicts().get(trace=item.trace)
        opposite = "poor" if verdict.value == "good" else "good"
        place = assignment_of(user=alice, session=round_, trace=item.trace)
        answer(user=alice, assignment=place, judge=judge, value=opposite)
    assert round_.ends_at is not None
    session_clock.tick(now=round_.ends_at + timedelta(minutes=1))
    session_clock.tick(now=round_.ends_at + timedelta(minutes=2))
    assert DriftAlarm.objects.ringing().filter(kind="OUT_OF_CONTROL").exists()


def test_a_judge_has_one_watch_which_can_be_changed_and_stopped(
    judge: Judge, lena: User, alice: User, adam: User
) -> None:
    first = drift_watch.watch(actor=lena, judge=judge, reviewers=[alice])
    second = drift_watch.watch(actor=lena, judge=judge, reviewers=[alice, adam], items=30)
    assert second.pk == first.pk
    assert second.items == 30
    assert set(second.template.reviewers.values_list("user", flat=True)) == {alice.pk, adam.pk}
    drift_watch.stop(actor=lena, judge=judge)
    assert not drift_watch.rules_of(judge).exists()


def test_a_watch_needs_somebody_of_the_team(judge: Judge, lena: User, olga: User) -> None:
    with pytest.raises(SessionError, match="Choose who checks"):
        drift_watch.watch(actor=lena, judge=judge, reviewers=[])
    with pytest.raises(SessionError):
        drift_watch.watch(actor=lena, judge=judge, reviewers=[olga])
    assert not FeedbackSession.objects.exists()


# --- Without enough new traces


def _judged(judge: Judge, count: int) -> list[int]:
    """Traces with a verdict, by pk."""
    traces = [create_trace(experiment=judge.experiment) for _ in range(count)]
    for trace in traces:
        create_verdict(judge=judge, trace=trace)
    return [trace.pk for trace in traces]


def _watched(judge: Judge, lena: User, alice: User, *, items: int) -> StandingRule:
    """A watch that begins now: what is there already is no news to it."""
    return drift_watch.watch(actor=lena, judge=judge, reviewers=[alice], items=items)


def _drawn(rule: StandingRule) -> set[int]:
    round_ = FeedbackSession.objects.get(rule=rule)
    return set(round_.items.values_list("trace_id", flat=True))


def test_without_new_traces_verdicts_that_nobody_has_looked_at_are_checked(
    judge: Judge, lena: User, alice: User, adam: User
) -> None:
    unseen, seen = _judged(judge, 8), _judged(judge, 4)
    never_judged = create_trace(experiment=judge.experiment)
    for pk in seen:
        create_feedback(judge=judge, trace=type(never_judged).objects.get(pk=pk), author=adam)
    rule = _watched(judge, lena, alice, items=20)
    session_clock.tick(now=rule.next_at)
    assert _drawn(rule) == set(unseen)
    rule.refresh_from_db()
    assert rule.last_problem == ""


def test_few_new_traces_are_all_checked_and_earlier_verdicts_fill_the_round(
    judge: Judge, lena: User, alice: User
) -> None:
    earlier = _judged(judge, 30)
    rule = _watched(judge, lena, alice, items=10)
    new = _judged(judge, 3)
    session_clock.tick(now=rule.next_at)
    drawn = _drawn(rule)
    assert len(drawn) == 10
    assert set(new) < drawn < {*new, *earlier}


def test_where_nothing_is_left_to_check_the_page_says_so_and_the_judge_is_stale(
    client: Client, judge: Judge, lena: User, alice: User
) -> None:
    check(judge, alice, AGREES)  # enough to be good by
    rule = _watched(judge, lena, alice, items=10)
    client.force_login(lena)
    page = reverse("judge-drift", args=[judge.pk])
    assert "could not be made" not in client.get(page).content.decode()
    session_clock.tick(now=rule.next_at)
    assert not FeedbackSession.objects.filter(rule=rule).exists()
    text = client.get(page).content.decode()
    assert "every earlier verdict has been looked at: there is nothing to check" in text
    assert ">stale<" in text.replace(" ", "").replace("\n", "")
    listed = client.get(reverse("judge-list")).content.decode()
    assert "stale" in listed
    rule.refresh_from_db()
    _judged(judge, 6)
    session_clock.tick(now=rule.next_at)
    assert FeedbackSession.objects.filter(rule=rule).exists()
    assert "there is nothing to check" not in client.get(page).content.decode()


def test_the_round_after_a_long_silence_is_looked_at_like_any_other(
    judge: Judge, lena: User, alice: User
) -> None:
    _judged(judge, 10)  # all called good
    rule = _watched(judge, lena, alice, items=10)
    session_clock.tick(now=rule.next_at + timedelta(days=200))
    round_ = FeedbackSession.objects.get(rule=rule)
    for item in round_.items.select_related("trace"):
        place = assignment_of(user=alice, session=round_, trace=item.trace)
        answer(user=alice, assignment=place, judge=judge, value="poor")
    assert round_.ends_at is not None
    session_clock.tick(now=round_.ends_at + timedelta(minutes=1))
    session_clock.tick(now=round_.ends_at + timedelta(minutes=2))
    assert DriftAlarm.objects.ringing().filter(kind="OUT_OF_CONTROL").exists()
