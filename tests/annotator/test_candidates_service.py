"""What a session can be filled with, and what fills the gap of a judge; standing rules that fill one by themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from alignment.labels import Side
from annotator.models import FeedbackSession, Judge, SessionStatus, StandingRule, Trace, User
from annotator.services import session_clock
from annotator.services.candidate_facts import facts
from annotator.services.candidates import (
    for_what_is_missing,
    labels_now,
    strata,
    stratum_of,
    yields,
)
from annotator.services.session_checks import SessionError
from annotator.services.standing_rules import make_due, set_rule
from tests.factories import (
    create_experiment,
    create_feedback,
    create_judge,
    create_session,
    create_team,
    create_trace,
    create_verdict,
)

NOW = timezone.now()
WEEK = timedelta(days=7)


@pytest.fixture
def judge(lena: User) -> Judge:
    return create_judge(experiment=create_experiment(team=create_team(name="Support")), actor=lena)


def judged(judge: Judge, value: str, many: int = 1, **fields: Any) -> list[Trace]:
    """Traces with that verdict."""
    traces = [create_trace(experiment=judge.experiment, **fields) for _ in range(many)]
    for trace in traces:
        create_verdict(judge=judge, trace=trace, value=value)
    return traces


def test_the_facts_of_a_trace(judge, alice, lena):
    create_trace(experiment=judge.experiment)
    (poor,) = judged(judge, "poor", tags={"channel": "chat"})
    (good,) = judged(judge, "good")
    create_feedback(judge=judge, trace=good, author=alice, value="good")
    create_feedback(judge=judge, trace=good, author=lena, value="fair")

    newest, middle, oldest = facts(judge)

    assert (newest.trace, newest.verdict, newest.side) == (good.pk, "good", Side.POSITIVE)
    assert (newest.reviewed, newest.has_label, newest.disagrees, newest.is_near) == (
        2,
        False,
        True,
        True,
    )
    assert (middle.trace, middle.side, middle.is_near) == (poor.pk, Side.NEGATIVE, False)
    assert (oldest.verdict, oldest.side, oldest.reviewed) == (None, None, 0)


@pytest.mark.parametrize(
    ("by", "name"),
    [
        (("verdict",), "poor"),
        (("side", "review"), "negative · never reviewed"),
        (("boundary",), "clear"),
        (("disagreement",), "no disagreement"),
        (("tag:channel",), "channel: chat"),
        (("tag:language",), "language: none"),
    ],
)
def test_traces_are_told_apart_by_what_the_lead_chooses(judge, by, name):
    judged(judge, "poor", tags={"channel": "chat"})

    (fact,) = facts(judge)

    assert stratum_of(fact, by) == name


def test_what_is_in_another_session_is_left_out_unless_asked_for(judge, alice):
    taken, free = judged(judge, "good", 2)
    session = create_session(judge=judge, reviewers=[alice], traces=[taken])

    assert [fact.trace for fact in strata(facts(judge))["good"]] == [free.pk]
    assert len(strata(facts(judge), also_taken=True)["good"]) == 2
    assert len(strata(facts(judge, but=session))["good"]) == 2


def test_the_number_of_queries_does_not_depend_on_the_traces(judge, django_assert_max_num_queries):
    judged(judge, "good", 15)

    with django_assert_max_num_queries(9):
        facts(judge)


def test_what_is_missing_is_looked_for_where_it_is_likely(judge, alice):
    for trace in judged(judge, "excellent", 9):
        create_feedback(judge=judge, trace=trace, author=alice, value="excellent")
    judged(judge, "poor", 12)
    judged(judge, "excellent", 30)

    proposal = for_what_is_missing(judge, seed=1)

    drawn = {name: each.drawn for name, each in proposal.sample.strata.items()}
    assert proposal.suffices
    assert proposal.missing == ("4 more negative",)
    assert drawn["poor"] >= 4
    assert sum(drawn.values()) <= 9
    assert proposal.expected[Side.NEGATIVE] >= 3.5


def test_a_judge_that_lacks_nothing_needs_no_session(judge, alice):
    for value in ("excellent", "poor"):
        for trace in judged(judge, value, 6):
            create_feedback(judge=judge, trace=trace, author=alice, value=value)
    judged(judge, "poor", 5)

    proposal = for_what_is_missing(judge, seed=1)

    assert proposal.missing == ()
    assert proposal.sample.picks == ()


def test_a_judge_is_believed_as_far_as_people_have_confirmed_it(judge, alice):
    for trace in judged(judge, "poor", 6):
        create_feedback(judge=judge, trace=trace, author=alice, value="good")
    judged(judge, "poor", 5)
    frame = [fact for fact in facts(judge) if not fact.has_label]

    (gain,) = yields(strata(frame), labels_now(judge))

    assert gain.positive > gain.negative


@pytest.fixture
def template(judge: Judge, alice: User, lena: User) -> FeedbackSession:
    traces = judged(judge, "good", 2)
    return create_session(
        judge=judge, reviewers=[alice], traces=traces, name="Weekly check", per_reviewer=3
    )


def test_a_rule_makes_a_session_of_new_traces_once_in_its_time(template, judge, lena):
    set_rule(actor=lena, template=template, items=3, every_days=7, window_hours=48, first_at=NOW)
    StandingRule.objects.update(since=timezone.now())
    new = {trace.pk for trace in judged(judge, "poor", 5)}
    later = timezone.now() + timedelta(minutes=1)

    for _ in range(2):
        session_clock.tick(now=later)

    made = FeedbackSession.objects.get(rule__isnull=False)
    assert made.status == SessionStatus.OPEN
    assert made.closes_at == later + timedelta(hours=48)
    assert made.name.startswith("Weekly check, ")
    assert set(made.items.values_list("trace", flat=True)) < new
    assert made.items.count() == 3
    assert all(item.probability == pytest.approx(0.6) for item in made.items.all())
    assert list(made.reviewers.values_list("user__username", flat=True)) == ["alice"]


def test_a_rule_without_new_traces_says_so_and_tries_again_next_time(template, lena):
    set_rule(actor=lena, template=template, items=3, every_days=7, window_hours=48, first_at=NOW)
    later = timezone.now() + timedelta(minutes=1)
    StandingRule.objects.update(since=later)

    assert make_due(now=later) == []

    rule = StandingRule.objects.get()
    assert "No new traces" in rule.last_problem
    assert rule.next_at == later + WEEK
    assert FeedbackSession.objects.count() == 1


def test_a_rule_is_set_anew_and_switched_off(template, lena):
    first = set_rule(actor=lena, template=template, items=3, every_days=7, window_hours=48)
    second = set_rule(
        actor=lena,
        template=template,
        items=5,
        every_days=1,
        window_hours=8,
        first_at=NOW,
        is_active=False,
    )

    assert first.pk == second.pk
    assert make_due(now=NOW + WEEK) == []
    with pytest.raises(SessionError):
        set_rule(actor=lena, template=template, items=0, every_days=7, window_hours=48)
