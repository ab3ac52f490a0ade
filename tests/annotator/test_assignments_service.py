"""Holding, drafting, skipping, flagging, taking more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from annotator.models import Assignment, AssignmentState, FeedbackSession, Judge, Trace, User
from annotator.services import assignments, session_states
from annotator.services.assignments import (
    beat,
    flag,
    give_back_silent,
    hold,
    let_go,
    next_for,
    save_draft,
    skip,
    take_more,
    take_up_again,
)
from annotator.services.session_checks import SessionError
from tests.factories import (
    answer,
    assignment_of,
    create_experiment,
    create_judge,
    create_session,
    create_team,
    create_trace,
    create_user,
)

NOW = timezone.now()
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def judge(lena: User) -> Judge:
    return create_judge(experiment=create_experiment(team=create_team(name="Support")), actor=lena)


@pytest.fixture
def traces(judge: Judge) -> list[Trace]:
    return [create_trace(experiment=judge.experiment) for _ in range(4)]


@pytest.fixture
def bob(lena: User) -> User:
    return create_user(username="bob", team=create_team(name="Support"))


@pytest.fixture
def session(judge: Judge, traces: list[Trace], alice: User) -> FeedbackSession:
    return create_session(judge=judge, reviewers=[alice], traces=traces)


@pytest.fixture
def mine(session: FeedbackSession, traces: list[Trace], alice: User) -> Assignment:
    return assignment_of(user=alice, session=session, trace=traces[0])


def test_the_batch_is_gone_through_in_order_and_from_its_start_again(session, traces, alice):
    first = next_for(user=alice, session=session)
    assert first is not None
    second = next_for(user=alice, session=session, after=first)
    last = assignment_of(user=alice, session=session, trace=traces[3])

    assert first.item.trace == traces[0]
    assert second is not None
    assert second.item.trace == traces[1]
    assert next_for(user=alice, session=session, after=last) == first


def test_a_hold_lasts_as_long_as_the_page_is_heard_of(mine, alice):
    held = hold(user=alice, assignment=mine, now=NOW)
    assert held.until == NOW + timedelta(seconds=settings.HOLD_SECONDS)

    beat(user=alice, assignment=mine, seconds=30, now=NOW + timedelta(seconds=60))

    mine.refresh_from_db()
    assert mine.lease_until == NOW + timedelta(seconds=60 + settings.HOLD_SECONDS)
    assert mine.heartbeat_at == NOW + timedelta(seconds=60)
    assert mine.active_seconds == 30


@pytest.mark.parametrize(("seconds", "counted"), [(-5, 0), (0, 0), (30, 30), (86400, 120)])
def test_no_beat_counts_for_more_than_it_can(mine, alice, seconds, counted):
    beat(user=alice, assignment=mine, seconds=seconds)

    mine.refresh_from_db()
    assert mine.active_seconds == counted


def test_what_went_silent_is_given_back_and_can_be_held_again_while_it_is_free(mine, alice):
    hold(user=alice, assignment=mine, now=NOW)
    assert give_back_silent(now=LATER) == 1

    again = hold(user=alice, assignment=mine, now=LATER)

    assert again.ended_at == LATER
    mine.refresh_from_db()
    assert mine.given_back_at is None


def test_what_is_still_held_is_not_given_back(mine, alice):
    hold(user=alice, assignment=mine, now=NOW)

    assert give_back_silent(now=NOW + timedelta(seconds=5)) == 0


def test_letting_go_keeps_the_item_in_the_batch(mine, session, alice):
    hold(user=alice, assignment=mine, now=NOW)
    let_go(user=alice, assignment=mine)

    give_back_silent(now=LATER)

    mine.refresh_from_db()
    assert mine.given_back_at is None
    assert next_for(user=alice, session=session) == mine


def test_a_shared_item_is_never_given_to_others(judge, traces, alice, bob):
    session = create_session(judge=judge, reviewers=[alice, bob], traces=traces, shared_items=4)
    mine = assignment_of(user=alice, session=session, trace=traces[0])
    hold(user=alice, assignment=mine, now=NOW)

    assert give_back_silent(now=LATER) == 1

    mine.refresh_from_db()
    assert mine.lease_until is None
    assert mine.given_back_at is None


def test_what_others_have_answered_meanwhile_is_not_held_again(judge, traces, alice, bob):
    session = create_session(
        judge=judge, reviewers=[alice, bob], traces=traces[:2], per_reviewer=1, take_more=True
    )
    mine = Assignment.objects.select_related("reviewer", "item__session").get(reviewer__user=alice)
    hold(user=alice, assignment=mine, now=NOW)
    (theirs,) = take_more(user=bob, session=session, now=LATER)
    answer(
        user=bob,
        assignment=assignment_of(user=bob, session=session, trace=theirs.item.trace),
        judge=judge,
    )

    with pytest.raises(SessionError, match="Others have answered"):
        hold(user=alice, assignment=mine, now=LATER)
    assert next_for(user=alice, session=session) is None


def test_a_draft_is_kept_by_judge_and_thrown_away_when_empty(mine, judge, alice):
    save_draft(user=alice, assignment=mine, judge=judge.pk, draft={"value": "good"}, now=NOW)
    mine.refresh_from_db()
    assert mine.state == AssignmentState.DRAFT
    assert mine.drafts == {str(judge.pk): {"value": "good"}}
    assert mine.drafted_at == NOW

    save_draft(user=alice, assignment=mine, judge=judge.pk, draft={"value": ""})
    mine.refresh_from_db()
    assert mine.state == AssignmentState.TODO
    assert mine.drafts == {}


@pytest.mark.parametrize(
    ("draft", "field"), [({"colour": "red"}, "colour"), ({"rationale": "x" * 20_001}, "rationale")]
)
def test_a_draft_that_no_form_makes_is_refused(mine, judge, alice, draft, field):
    with pytest.raises(SessionError) as refused:
        save_draft(user=alice, assignment=mine, judge=judge.pk, draft=draft)
    assert refused.value.field == field


def test_a_skipped_item_leaves_the_batch_and_can_be_taken_up_again(mine, session, alice):
    skip(user=alice, assignment=mine, reason="OTHER", text="Too long for now")
    mine.refresh_from_db()
    assert (mine.state, mine.reason) == ("SKIPPED", "OTHER")
    assert next_for(user=alice, session=session) != mine

    take_up_again(user=alice, assignment=mine)
    mine.refresh_from_db()
    assert (mine.state, mine.reason, mine.reason_text) == ("TODO", "", "")


@pytest.mark.parametrize(("reason", "text"), [("", ""), ("BORED", ""), ("OTHER", " ")])
def test_a_skip_wants_a_reason(mine, alice, reason, text):
    with pytest.raises(SessionError):
        skip(user=alice, assignment=mine, reason=reason, text=text)


def test_a_flag_wants_a_note_and_goes_to_the_lead(mine, alice):
    with pytest.raises(SessionError, match="lead"):
        flag(user=alice, assignment=mine, text=" ")

    flag(user=alice, assignment=mine, text="Holds a customer's name")
    mine.refresh_from_db()
    assert (mine.state, mine.reason_text) == ("FLAGGED", "Holds a customer's name")


def test_an_answered_item_is_not_skipped(mine, judge, alice):
    answer(user=alice, assignment=mine, judge=judge)

    with pytest.raises(SessionError, match="undo"):
        skip(user=alice, assignment=mine, reason="UNCLEAR")


def test_a_skipped_items_place_can_be_taken_by_a_colleague(judge, traces, alice, bob):
    session = create_session(
        judge=judge, reviewers=[alice, bob], traces=traces[:2], per_reviewer=1, take_more=True
    )
    theirs = Assignment.objects.select_related(
        "reviewer", "item__session__experiment__team", "item__trace"
    ).get(reviewer__user=alice)
    assert take_more(user=bob, session=session) == []

    skip(user=alice, assignment=theirs, reason="NOT_MY_FIELD")

    (taken,) = take_more(user=bob, session=session)
    assert taken.item == theirs.item
    assert take_more(user=bob, session=session) == []
    with pytest.raises(SessionError, match="Others have answered"):
        take_up_again(user=alice, assignment=theirs)


def test_nobody_takes_more_than_the_lead_allows(session, alice, bob):
    with pytest.raises(SessionError, match="lead"):
        take_more(user=alice, session=session)
    with pytest.raises(SessionError, match="do not review"):
        take_more(user=bob, session=session)


@pytest.mark.parametrize("act", ["hold", "draft", "skip", "flag", "take_up_again"])
def test_after_the_end_nothing_is_changed(mine, session, judge, alice, act):
    session_states.close_session(session=session, now=timezone.now())
    mine = assignment_of(user=alice, session=session, trace=mine.item.trace)
    acts: dict[str, Callable[[], object]] = {
        "hold": lambda: hold(user=alice, assignment=mine),
        "draft": lambda: save_draft(user=alice, assignment=mine, judge=judge.pk, draft={}),
        "skip": lambda: skip(user=alice, assignment=mine, reason="UNCLEAR"),
        "flag": lambda: flag(user=alice, assignment=mine, text="Look"),
        "take_up_again": lambda: take_up_again(user=alice, assignment=mine),
    }

    with pytest.raises(SessionError, match="is over"):
        acts[act]()


@pytest.mark.parametrize("act", [hold, beat, let_go])
def test_nobody_holds_somebody_elses_item(mine, bob, act):
    with pytest.raises(SessionError, match="somebody else"):
        act(user=bob, assignment=mine)


def test_the_hold_is_one_query_in_the_ordinary_case(mine, alice, django_assert_num_queries):
    mine = Assignment.objects.select_related("reviewer", "item__session").get(pk=mine.pk)
    with django_assert_num_queries(1):
        assignments.hold(user=alice, assignment=mine)
