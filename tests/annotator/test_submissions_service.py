"""Answers in a session: stored once, never refused for being late, counted where a place is free."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from annotator.models import (
    Assessment,
    Assignment,
    AssignmentState,
    FeedbackSession,
    Judge,
    Label,
    Trace,
    User,
    Visibility,
)
from annotator.services import assignments, session_states
from annotator.services.feedback import FeedbackError
from annotator.services.guidelines import save_guideline
from annotator.services.session_checks import SessionError
from annotator.services.sessions import create_session as plan_session
from annotator.services.submissions import Outcome, undo
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


@pytest.fixture
def judge(lena: User) -> Judge:
    return create_judge(experiment=create_experiment(team=create_team(name="Support")), actor=lena)


@pytest.fixture
def traces(judge: Judge) -> list[Trace]:
    return [create_trace(experiment=judge.experiment) for _ in range(4)]


@pytest.fixture
def bob(lena: User) -> User:
    return create_user(username="bob", team=create_team(name="Support"))


def counted(session: FeedbackSession) -> int:
    return Assignment.objects.filter(
        item__session=session, state=AssignmentState.DONE, is_extra=False
    ).count()


def test_an_answer_is_feedback_and_the_item_is_done(judge, traces, alice):
    session = create_session(judge=judge, reviewers=[alice], traces=traces)
    mine = assignment_of(user=alice, session=session, trace=traces[0])

    taken = answer(user=alice, assignment=mine, judge=judge, value="poor", rationale="It lies.")

    assert taken.outcome is Outcome.SUBMITTED
    mine.refresh_from_db()
    assert mine.state == AssignmentState.DONE
    feedback = Assessment.objects.get(assignment=mine)
    assert (feedback.value, feedback.rationale, feedback.visibility) == (
        "poor",
        "It lies.",
        "BLIND",
    )
    assert Label.objects.get(trace=traces[0]).value == "poor"


def test_sending_the_same_answer_again_stores_nothing_more(judge, traces, alice):
    session = create_session(judge=judge, reviewers=[alice], traces=traces)
    mine = assignment_of(user=alice, session=session, trace=traces[0])
    answer(user=alice, assignment=mine, judge=judge, submission_id="one")

    again = answer(user=alice, assignment=mine, judge=judge, submission_id="one", value="poor")

    assert again.outcome is Outcome.REPEATED
    assert again.assessment is None
    assert Assessment.objects.count() == 1


def test_a_number_that_was_used_for_another_answer_is_refused(judge, traces, alice):
    session = create_session(judge=judge, reviewers=[alice], traces=traces)
    one, two = (assignment_of(user=alice, session=session, trace=each) for each in traces[:2])
    answer(user=alice, assignment=one, judge=judge, submission_id="one")

    with pytest.raises(SessionError, match="submit it again"):
        answer(user=alice, assignment=two, judge=judge, submission_id="one")


def test_an_answer_after_the_hold_ended_counts_while_the_place_is_free(judge, traces, alice):
    session = create_session(judge=judge, reviewers=[alice], traces=traces)
    mine = assignment_of(user=alice, session=session, trace=traces[0])
    now = timezone.now()
    assignments.hold(user=alice, assignment=mine, now=now)
    assignments.give_back_silent(now=now + timedelta(hours=1))

    taken = answer(user=alice, assignment=mine, judge=judge)

    assert taken.outcome is Outcome.SUBMITTED
    assert taken.hold_ended_at == now + timedelta(hours=1)
    assert counted(session) == 1


def test_an_answer_that_comes_when_others_have_filled_the_place_is_kept_as_extra(
    judge, traces, alice, bob
):
    session = create_session(judge=judge, reviewers=[alice, bob], traces=traces[:1], take_more=True)
    mine = Assignment.objects.select_related(
        "reviewer__user", "item__session__experiment__team", "item__trace"
    ).get()
    late, quick = (alice, bob) if mine.reviewer.user == alice else (bob, alice)
    now = timezone.now()
    assignments.hold(user=late, assignment=mine, now=now)
    after = now + timedelta(hours=1)
    (theirs,) = assignments.take_more(user=quick, session=session, now=after)
    answer(user=quick, assignment=theirs, judge=judge, value="poor")

    taken = answer(user=late, assignment=mine, judge=judge, value="good")

    assert taken.outcome is Outcome.EXTRA
    assert taken.hold_ended_at == after
    assert Assessment.objects.human().count() == 2
    assert counted(session) == 1


def test_an_answer_that_comes_after_the_end_is_kept_as_extra(judge, traces, alice):
    session = create_session(judge=judge, reviewers=[alice], traces=traces)
    session_states.close_session(session=session, now=timezone.now())
    mine = assignment_of(user=alice, session=session, trace=traces[0])

    taken = answer(user=alice, assignment=mine, judge=judge)

    assert taken.outcome is Outcome.EXTRA
    assert Assessment.objects.human().count() == 1


def test_nobody_answers_in_somebody_elses_name(judge, traces, alice, bob):
    session = create_session(judge=judge, reviewers=[alice], traces=traces)
    mine = assignment_of(user=alice, session=session, trace=traces[0])

    with pytest.raises(SessionError, match="somebody else"):
        answer(user=bob, assignment=mine, judge=judge)


def test_a_changed_answer_corrects_the_first(judge, traces, alice):
    session = create_session(judge=judge, reviewers=[alice], traces=traces)
    mine = assignment_of(user=alice, session=session, trace=traces[0])
    answer(user=alice, assignment=mine, judge=judge, value="good")

    taken = answer(user=alice, assignment=mine, judge=judge, value="poor")

    assert taken.outcome is Outcome.EDITED
    mine.refresh_from_db()
    assert mine.edited_at is not None
    assert [each.value for each in Assessment.objects.human()] == ["poor"]
    assert counted(session) == 1


def test_what_was_said_before_the_reveal_stays_the_first_answer(judge, traces, alice):
    create_verdict(judge=judge, trace=traces[0], value="poor")
    session = create_session(
        judge=judge, reviewers=[alice], traces=traces, visibility=Visibility.REVEALED
    )
    mine = assignment_of(user=alice, session=session, trace=traces[0])
    first = answer(user=alice, assignment=mine, judge=judge, value="good").assessment
    answer(user=alice, assignment=mine, judge=judge, value="fair")
    answer(user=alice, assignment=mine, judge=judge, value="poor")

    valid = Assessment.objects.human().get()

    assert (valid.value, valid.first_answer) == ("poor", first)


def test_undoing_does_not_make_a_second_answer_a_first_one(judge, traces, alice):
    create_verdict(judge=judge, trace=traces[0], value="poor")
    session = create_session(
        judge=judge, reviewers=[alice], traces=traces, visibility=Visibility.REVEALED
    )
    mine = assignment_of(user=alice, session=session, trace=traces[0])
    first = answer(user=alice, assignment=mine, judge=judge, value="good").assessment
    undo(user=alice, assignment=mine)
    answer(user=alice, assignment=mine, judge=judge, value="poor")

    assert Assessment.objects.human().get().first_answer == first


def test_an_undone_answer_waits_as_a_draft_and_votes_no_more(judge, traces, alice):
    session = create_session(judge=judge, reviewers=[alice], traces=traces)
    mine = assignment_of(user=alice, session=session, trace=traces[0])
    answer(user=alice, assignment=mine, judge=judge, value="good", rationale="Fine.")

    undo(user=alice, assignment=mine)

    mine.refresh_from_db()
    assert mine.state == AssignmentState.DRAFT
    assert mine.drafts[str(judge.pk)]["value"] == "good"
    assert mine.drafts[str(judge.pk)]["rationale"] == "Fine."
    assert not Label.objects.exists()
    assert counted(session) == 0


def test_nothing_is_undone_after_the_end(judge, traces, alice):
    session = create_session(judge=judge, reviewers=[alice], traces=traces)
    mine = assignment_of(user=alice, session=session, trace=traces[0])
    answer(user=alice, assignment=mine, judge=judge)
    session_states.close_session(session=session, now=timezone.now())

    with pytest.raises(SessionError, match="over"):
        undo(user=alice, assignment=mine)


def test_with_two_judges_an_item_is_done_when_both_have_an_answer(judge, traces, alice, lena):
    tone = create_judge(experiment=judge.experiment, name="tone", actor=lena)
    session = create_session(judge=judge, others=[tone], reviewers=[alice], traces=traces)
    mine = assignment_of(user=alice, session=session, trace=traces[0])

    answer(user=alice, assignment=mine, judge=judge)
    mine.refresh_from_db()
    assert mine.state == AssignmentState.DRAFT

    answer(user=alice, assignment=mine, judge=tone)
    mine.refresh_from_db()
    assert mine.state == AssignmentState.DONE


def test_a_judge_that_the_session_does_not_ask_for_is_refused(judge, traces, alice, lena):
    tone = create_judge(experiment=judge.experiment, name="tone", actor=lena)
    session = create_session(judge=judge, reviewers=[alice], traces=traces)
    mine = assignment_of(user=alice, session=session, trace=traces[0])

    with pytest.raises(SessionError, match="tone"):
        answer(user=alice, assignment=mine, judge=tone)


@pytest.mark.parametrize(
    ("rule", "visibility", "value", "refused"),
    [
        ("ALWAYS", "BLIND", "good", True),
        ("NEVER", "OPEN", "good", False),
        ("ON_DISAGREEMENT", "OPEN", "good", True),
        ("ON_DISAGREEMENT", "OPEN", "poor", False),
    ],
)
def test_a_reason_is_asked_for_by_the_rule(judge, traces, alice, rule, visibility, value, refused):
    create_verdict(judge=judge, trace=traces[0], value="poor")
    session = create_session(
        judge=judge,
        reviewers=[alice],
        traces=traces,
        rationale_rule=rule,
        visibility=visibility,
    )
    mine = assignment_of(user=alice, session=session, trace=traces[0])
    if not refused:
        assert answer(user=alice, assignment=mine, judge=judge, value=value).outcome == "SUBMITTED"
        return
    with pytest.raises(FeedbackError, match="reason") as error:
        answer(user=alice, assignment=mine, judge=judge, value=value)
    assert error.value.field == "rationale"
    assert not Assessment.objects.human().exists()


def test_after_a_reveal_a_reason_is_owed_before_the_item_is_done(judge, traces, alice):
    create_verdict(judge=judge, trace=traces[0], value="poor")
    session = create_session(
        judge=judge,
        reviewers=[alice],
        traces=traces,
        rationale_rule="ON_DISAGREEMENT",
        visibility="REVEALED",
    )
    mine = assignment_of(user=alice, session=session, trace=traces[0])

    first = answer(user=alice, assignment=mine, judge=judge, value="good")
    assert first.outcome is Outcome.NEEDS_REASON
    mine.refresh_from_db()
    assert mine.state == AssignmentState.DRAFT

    answer(user=alice, assignment=mine, judge=judge, value="good", rationale="It is right.")
    mine.refresh_from_db()
    assert mine.state == AssignmentState.DONE


def test_a_reason_for_disagreeing_cannot_be_asked_while_the_verdict_stays_hidden(judge, lena):
    with pytest.raises(SessionError, match="stays hidden"):
        plan_session(
            actor=lena,
            experiment=judge.experiment,
            name="Blind",
            judges=[judge],
            rationale_rule="ON_DISAGREEMENT",
            visibility="BLIND",
        )


def test_two_people_who_differ_get_a_third(judge, traces, alice, bob, lena):
    session = create_session(
        judge=judge,
        reviewers=[alice, bob, lena],
        traces=traces[:1],
        overlap=2,
        third_opinion=True,
    )
    first, second = Assignment.objects.select_related("reviewer__user").order_by("pk")
    for mine, value in ((first, "good"), (second, "poor")):
        user = mine.reviewer.user
        place = assignment_of(user=user, session=session, trace=traces[0])
        answer(user=user, assignment=place, judge=judge, value=value)

    third = Assignment.objects.get(is_third_opinion=True)
    assert third.reviewer_id not in (first.reviewer_id, second.reviewer_id)
    assert third.item.wanted == 3
    place = assignment_of(user=third.reviewer.user, session=session, trace=traces[0])
    assert answer(user=third.reviewer.user, assignment=place, judge=judge).outcome == "SUBMITTED"
    assert counted(session) == 3


def test_two_people_who_agree_need_no_third(judge, traces, alice, bob, lena):
    session = create_session(
        judge=judge, reviewers=[alice, bob, lena], traces=traces[:1], overlap=2, third_opinion=True
    )
    for mine in Assignment.objects.select_related("reviewer__user"):
        place = assignment_of(user=mine.reviewer.user, session=session, trace=traces[0])
        answer(user=mine.reviewer.user, assignment=place, judge=judge)

    assert Assignment.objects.count() == 2


def test_a_warm_up_item_teaches_the_person_and_nobody_else(judge, traces, alice, lena):
    create_feedback(judge=judge, trace=traces[3], author=lena, value="poor", rationale="Rude.")
    session = create_session(judge=judge, reviewers=[alice], traces=traces[:3], warm_up_items=1)
    mine = assignments.next_for(user=alice, session=session)
    assert mine is not None
    assert mine.item.is_warm_up

    taken = answer(user=alice, assignment=mine, judge=judge, value="good")

    assert taken.outcome is Outcome.WARM_UP
    assert taken.settled is not None
    assert taken.settled.value == "poor"
    assert not Assessment.objects.filter(author=alice).exists()


def test_a_warm_up_item_is_practised_under_each_judge_that_it_is_settled_for(
    judge, traces, alice, lena
):
    tone, unsettled = (
        create_judge(experiment=judge.experiment, name=name) for name in ("tone", "other")
    )
    for each in (judge, tone):
        create_feedback(judge=each, trace=traces[3], author=lena, value="poor")
    session = create_session(
        judge=judge,
        others=[tone, unsettled],
        reviewers=[alice],
        traces=traces[:3],
        warm_up_items=1,
    )
    mine = assignments.next_for(user=alice, session=session)
    assert mine is not None

    answer(user=alice, assignment=mine, judge=judge, value="good")
    mine.refresh_from_db()
    assert mine.is_waiting

    answer(user=alice, assignment=mine, judge=tone, value="good")
    mine.refresh_from_db()
    assert mine.state == AssignmentState.DONE

    undo(user=alice, assignment=mine)
    mine.refresh_from_db()
    assert not mine.has_practised(judge.pk)
    assert mine.drafts[str(judge.pk)]["value"] == "good"


def test_an_answer_on_one_step_comes_on_top_of_the_one_on_the_trace(judge, traces, alice):
    traces[0].spans.create(span_id="s1", name="search", start_ns=0)
    session = create_session(judge=judge, reviewers=[alice], traces=traces)
    mine = assignment_of(user=alice, session=session, trace=traces[0])

    answer(user=alice, assignment=mine, judge=judge, value="poor", span_id="s1")
    mine.refresh_from_db()
    assert mine.state == AssignmentState.DRAFT

    answer(user=alice, assignment=mine, judge=judge, value="good")
    mine.refresh_from_db()
    assert mine.state == AssignmentState.DONE
    assert Assessment.objects.human().count() == 2


def test_the_guideline_of_the_session_stands_on_the_answer(judge, traces, alice, lena):
    save_guideline(actor=lena, judge=judge, text="Old", choose_when={})
    session = create_session(judge=judge, reviewers=[alice], traces=traces)
    old = judge.guideline
    save_guideline(actor=lena, judge=judge, text="New", choose_when={})
    mine = assignment_of(user=alice, session=session, trace=traces[0])

    answer(user=alice, assignment=mine, judge=judge)

    assert Assessment.objects.get(assignment=mine).guideline == old


@pytest.mark.parametrize("many", [2, 40])
def test_an_answer_and_the_next_item_cost_the_same_in_a_big_batch(
    judge, alice, django_assert_max_num_queries, many
):
    traces = [create_trace(experiment=judge.experiment) for _ in range(many)]
    session = create_session(judge=judge, reviewers=[alice], traces=traces)
    mine = assignment_of(user=alice, session=session, trace=traces[0])

    with django_assert_max_num_queries(25):
        answer(user=alice, assignment=mine, judge=judge)
        following = assignments.next_for(user=alice, session=session, after=mine)
        assert following is not None
        assignments.hold(user=alice, assignment=following)
