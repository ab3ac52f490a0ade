"""Who has yet to answer in a session that hides verdicts finds neither verdict nor answer nor label, on no page and route."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotator.models import (
    Assessment,
    FeedbackSession,
    Judge,
    Label,
    Role,
    Trace,
    User,
    Visibility,
)
from annotator.models.hidden import hidden_from, visible_assessments, visible_labels
from annotator.models.search import FeedbackState, TraceFilter
from annotator.services import session_states
from annotator.services.readiness import review_next
from tests.factories import (
    answer,
    assignment_of,
    create_experiment,
    create_feedback,
    create_judge,
    create_session,
    create_team,
    create_trace,
    create_user,
    create_verdict,
)

SECRET = "the verdict's own reason"
THEIRS = "a colleague's own reason"


@pytest.fixture
def judge(lena: User) -> Judge:
    return create_judge(experiment=create_experiment(team=create_team(name="Support")), actor=lena)


@pytest.fixture
def trace(judge: Judge) -> Trace:
    """A trace with a verdict, and the answer of a colleague."""
    trace = create_trace(experiment=judge.experiment)
    create_verdict(judge=judge, trace=trace, value="poor", rationale=SECRET)
    bob = create_user(username="bob", team=create_team(name="Support"))
    create_feedback(judge=judge, trace=trace, author=bob, value="fair", rationale=THEIRS)
    return trace


@pytest.fixture
def session(judge: Judge, trace: Trace, alice: User, lena: User) -> FeedbackSession:
    """A blind session in which the expert and the lead review the trace."""
    return create_session(judge=judge, reviewers=[alice, lena], traces=[trace], overlap=2)


def page(user: User, address: str) -> str:
    client = Client()
    client.force_login(user)
    return client.get(address).content.decode()


def trace_page(user: User, trace: Trace) -> str:
    return page(user, reverse("trace-detail", args=[trace.trace_id]))


@pytest.mark.parametrize("who", ["alice", "lena"])
def test_the_traces_page_hides_verdict_colleagues_and_label(session, trace, request, who):
    user = request.getfixturevalue(who)

    text = trace_page(user, trace)

    assert SECRET not in text
    assert THEIRS not in text
    assert "hidden until you have answered" in text


@pytest.mark.parametrize("who", ["alice", "lena"])
def test_after_the_own_answer_all_of_it_is_there(session, judge, trace, request, who):
    user = request.getfixturevalue(who)
    mine = assignment_of(user=user, session=session, trace=trace)
    answer(user=user, assignment=mine, judge=judge)

    text = trace_page(user, trace)

    assert SECRET in text
    assert THEIRS in text


def test_who_is_not_in_the_session_sees_what_they_always_saw(session, trace, adam):
    text = trace_page(adam, trace)

    assert SECRET in text
    assert THEIRS in text


@pytest.mark.parametrize("end", ["close_session", "cancel_session"])
def test_after_the_end_it_is_there_again(session, trace, lena, end):
    if end == "close_session":
        session_states.close_session(session=session, now=timezone.now())
    else:
        session_states.cancel_session(actor=None, session=session)

    assert SECRET in trace_page(lena, trace)


def test_an_open_session_hides_no_verdict(judge, trace, alice):
    create_session(judge=judge, reviewers=[alice], traces=[trace], visibility=Visibility.OPEN)

    text = trace_page(alice, trace)

    assert SECRET in text
    assert THEIRS not in text


def test_the_list_shows_no_verdict_and_no_disagreement(session, trace, lena):
    text = page(lena, reverse("trace-list"))

    assert trace.request_preview in text
    assert "none yet" in text
    assert "A disagreement" not in text


@pytest.mark.parametrize("who", ["alice", "lena"])
@pytest.mark.parametrize(
    "wanted",
    [{"verdict": "poor"}, {"label": "fair"}, {"feedback": FeedbackState.DISAGREEMENT}],
)
def test_no_filter_tells_what_is_hidden(session, judge, trace, request, who, wanted):
    user = request.getfixturevalue(who)
    narrowed = TraceFilter(
        experiments=(judge.experiment,), judge=judge, label_judge=judge, **wanted
    )

    assert not narrowed.traces(user).exists()

    answer(
        user=user,
        assignment=assignment_of(user=user, session=session, trace=trace),
        judge=judge,
        value="fair",
    )
    assert narrowed.traces(user).get() == trace


def test_no_query_brings_out_what_is_hidden(session, judge, trace, lena):
    assert not visible_assessments(lena).exists()
    assert not visible_labels(lena, judge).exists()
    assert Assessment.objects.count() == 2
    assert Label.objects.count() == 1


def test_an_expert_sees_of_the_labels_only_those_of_traces_they_answered(judge, trace, alice):
    assert not visible_labels(alice, judge).exists()

    create_feedback(judge=judge, trace=trace, author=alice, value="fair")

    assert visible_labels(alice, judge).get().value == "fair"


def test_the_activity_of_colleagues_is_hidden_from_a_lead_who_reviews(session, trace, lena, adam):
    entry = f"quality on {trace.trace_id}"

    assert entry not in page(lena, reverse("activity-list"))
    assert entry in page(adam, reverse("activity-list"))


def test_what_to_review_next_is_not_offered_from_a_list_that_tells_the_verdict(
    session, judge, alice
):
    other = create_trace(experiment=judge.experiment)
    create_verdict(judge=judge, trace=other)

    assert review_next(judge=judge, user=alice) == [other.trace_id]


def test_a_judge_that_the_session_does_not_ask_for_is_not_hidden(session, trace, lena):
    tone = create_judge(experiment=trace.experiment, name="tone", actor=lena)
    create_verdict(judge=tone, trace=trace, rationale="Friendly.")

    assert "Friendly." in trace_page(lena, trace)


def test_of_two_judges_the_answered_one_is_shown(judge, trace, alice, lena):
    tone = create_judge(experiment=trace.experiment, name="tone", actor=lena)
    create_verdict(judge=tone, trace=trace)
    session = create_session(judge=judge, others=[tone], reviewers=[alice], traces=[trace])
    mine = assignment_of(user=alice, session=session, trace=trace)
    answer(user=alice, assignment=mine, judge=judge)

    hidden = hidden_from(alice)

    assert (trace.pk, judge.name) not in hidden
    assert (trace.pk, "tone") in hidden


def test_a_skipped_item_stays_hidden_while_the_session_runs(session, judge, trace, alice):
    from annotator.services.assignments import skip

    mine = assignment_of(user=alice, session=session, trace=trace)
    skip(user=alice, assignment=mine, reason="NOT_MY_FIELD")

    assert SECRET not in trace_page(alice, trace)


def test_an_answer_on_the_traces_page_is_the_answer_of_the_session(session, judge, trace, alice):
    client = Client()
    client.force_login(alice)
    address = reverse("trace-detail", args=[trace.trace_id])

    client.post(address, {"judge": judge.pk, "value": "fair"})

    given = Assessment.objects.human().get(author=alice)
    mine = assignment_of(user=alice, session=session, trace=trace)
    assert given.assignment == mine
    assert given.visibility == Visibility.BLIND
    assert mine.state == "DONE"


def test_an_expert_outside_the_session_cannot_see_that_it_exists(session):
    carla = create_user(username="carla", team=create_team(name="Support"))
    admin_elsewhere = create_user(
        username="oscar", team=create_team(name="Elsewhere"), role=Role.ADMIN
    )

    assert not FeedbackSession.objects.visible_to(carla).exists()
    assert not FeedbackSession.objects.visible_to(admin_elsewhere).exists()
