"""Answers that are still to come: said on the settling screen, not among what is to decide, released when it is settled."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from annotator.models import Assessment, Assignment, FeedbackSession, Judge, Team, Trace, User
from annotator.services.assignments import next_for
from annotator.services.awaited import awaited_on, awaited_traces
from annotator.services.disagreements import disagreements_in
from annotator.services.session_changes import change_session
from annotator.services.settling import SettlingError, settle_label
from annotator.services.submissions import Outcome, undo
from tests.factories import (
    answer,
    assignment_of,
    create_experiment,
    create_feedback,
    create_judge,
    create_session,
    create_trace,
    create_user,
)


@pytest.fixture
def judge(team: Team) -> Judge:
    return create_judge(experiment=create_experiment(team=team))


@pytest.fixture
def people(team: Team, alice: User) -> list[User]:
    return [alice, create_user(username="ben", team=team), create_user(username="cem", team=team)]


@pytest.fixture
def trace(judge: Judge) -> Trace:
    return create_trace(experiment=judge.experiment, question="Where is it?")


@pytest.fixture
def session(judge: Judge, people: list[User], trace: Trace, lena: User) -> FeedbackSession:
    """Two of three people have answered and differ; the third has yet to."""
    session = create_session(
        judge=judge,
        reviewers=people,
        traces=[trace],
        actor=lena,
        overlap=2,
        third_opinion=True,
        name="Tuesday",
    )
    _answer(session, judge, "good", "poor")
    return session


def _answer(session: FeedbackSession, judge: Judge, *values: str) -> None:
    places = Assignment.objects.filter(item__session=session, is_third_opinion=False)
    for place, value in zip(places.select_related("reviewer__user"), values, strict=True):
        user = place.reviewer.user
        own = assignment_of(user=user, session=session, trace=place.item.trace)
        answer(user=user, assignment=own, judge=judge, value=value)


def _third(session: FeedbackSession, trace: Trace) -> Assignment:
    third = Assignment.objects.get(item__session=session, is_third_opinion=True)
    return assignment_of(user=third.reviewer.user, session=session, trace=trace)


def test_who_has_the_third_opinion_and_since_when_is_said(session, judge, trace):
    third = _third(session, trace)
    last = Assignment.objects.exclude(pk=third.pk).latest("submitted_at")

    (awaited,) = awaited_on(judge, trace)

    assert (awaited.user, awaited.is_third) == (third.reviewer.user, True)
    assert (awaited.since, awaited.session) == (last.submitted_at, "Tuesday")


def test_it_is_not_settled_before_somebody_says_so(session, judge, trace, lena):
    with pytest.raises(SettlingError, match="has yet to answer") as refused:
        settle_label(actor=lena, judge=judge, trace=trace, value="poor")
    assert refused.value.field == "without_waiting"

    settle_label(actor=lena, judge=judge, trace=trace, value="poor", without_waiting=True)
    assert judge.labels.get().value == "poor"


def test_settling_releases_the_third_place_and_a_later_answer_is_kept_as_extra(
    session, judge, trace, lena
):
    third = _third(session, trace)
    settle_label(actor=lena, judge=judge, trace=trace, value="poor", without_waiting=True)

    assert awaited_on(judge, trace) == []
    assert next_for(user=third.reviewer.user, session=session) is None
    late = answer(user=third.reviewer.user, assignment=third, judge=judge, value="good")
    assert late.outcome is Outcome.EXTRA
    assert Assessment.objects.human().filter(trace=trace).count() == 3
    assert judge.labels.get().value == "poor"


def test_a_settled_trace_is_not_given_to_a_third_again(session, judge, trace, people, lena):
    settle_label(actor=lena, judge=judge, trace=trace, value="poor", without_waiting=True)
    first = Assignment.objects.filter(is_third_opinion=False).select_related("reviewer__user")[0]
    user = first.reviewer.user
    undo(user=user, assignment=assignment_of(user=user, session=session, trace=trace))
    own = assignment_of(user=user, session=session, trace=trace)
    answer(user=user, assignment=own, judge=judge, value="excellent")
    change_session(actor=lena, session=session, overlap=2)

    assert awaited_on(judge, trace) == []


def test_a_place_that_another_judge_needs_too_is_kept(judge, people, trace, lena):
    other = create_judge(experiment=judge.experiment, name="tone")
    session = create_session(
        judge=judge,
        others=[other],
        reviewers=people,
        traces=[trace],
        actor=lena,
        overlap=2,
        third_opinion=True,
    )
    _answer(session, judge, "good", "poor")
    _answer(session, other, "good", "poor")
    settle_label(actor=lena, judge=judge, trace=trace, value="poor", without_waiting=True)
    assert [each.is_third for each in awaited_on(other, trace)] == [True]

    settle_label(actor=lena, judge=other, trace=trace, value="poor", without_waiting=True)
    assert awaited_on(other, trace) == []


def test_what_waits_for_answers_is_not_among_what_is_to_decide(session, judge, trace, people, lena):
    (row,) = disagreements_in(judge, user=lena)
    assert (row.is_open, row.is_waiting) == (False, True)

    third = _third(session, trace)
    answer(user=third.reviewer.user, assignment=third, judge=judge, value="fair")

    (row,) = disagreements_in(judge, user=lena)
    assert (row.is_open, row.is_waiting) == (True, False)


def test_a_trace_that_no_running_session_asks_for_waits_for_nobody(judge, trace, people):
    create_feedback(judge=judge, trace=trace, author=people[0], value="good")
    create_feedback(judge=judge, trace=trace, author=people[1], value="poor")

    assert awaited_traces(judge) == set()


def test_the_screen_says_it_and_settles_after_a_tick(client: Client, session, judge, trace, lena):
    client.force_login(lena)
    address = reverse("judge-settle-trace", args=[judge.pk, trace.trace_id])
    third = _third(session, trace).reviewer.user
    shown = client.get(address).content.decode()
    assert f"{third} has the third opinion" in shown
    assert "Settle without waiting" in shown

    form = {"value": "poor", "cause": "PERSON"}
    refused = client.post(address, form)
    assert refused.status_code == 422
    assert f"{third} has yet to answer" in refused.content.decode()
    client.post(address, {**form, "without_waiting": "1"})
    assert judge.labels.get().value == "poor"


def test_the_workbench_keeps_them_apart_and_says_so(client: Client, session, judge, lena):
    client.force_login(lena)
    address = reverse("judge-disagreements", args=[judge.pk])
    to_decide = client.get(address)
    assert to_decide.context["total"] == 0
    assert "1 waits" in " ".join(to_decide.content.decode().split())
    waiting = client.get(address, {"state": "waiting"})
    assert waiting.context["total"] == 1
    assert "answers still to come" in waiting.content.decode()
