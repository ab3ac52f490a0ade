"""What a lead changes while a session runs: people, overlap, time, whose item it is."""

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
    Notification,
    SessionStatus,
    Trace,
    User,
)
from annotator.services import session_clock, session_states
from annotator.services.assignments import hold, next_for, skip
from annotator.services.session_changes import (
    change_session,
    extend,
    give_back,
    move,
    preview_change,
    remind,
)
from annotator.services.session_checks import SessionError
from annotator.services.submissions import Outcome
from tests.factories import (
    answer,
    create_experiment,
    create_judge,
    create_session,
    create_team,
    create_trace,
    create_user,
)


@pytest.fixture
def judge(lena: User) -> Judge:
    return create_judge(experiment=create_experiment(team=create_team(name="Support")), actor=lena)


@pytest.fixture
def traces(judge: Judge) -> list[Trace]:
    return [create_trace(experiment=judge.experiment) for _ in range(6)]


@pytest.fixture
def people(lena: User) -> list[User]:
    team = create_team(name="Support")
    return [create_user(username=f"person{number}", team=team) for number in range(3)]


@pytest.fixture
def session(judge: Judge, traces: list[Trace], people: list[User]) -> FeedbackSession:
    """Two people share six items, three each."""
    return create_session(judge=judge, reviewers=people[:2], traces=traces, per_reviewer=6)


def places(session: FeedbackSession, user: User) -> list[Assignment]:
    """The user's assignments, loaded as a view would."""
    found = Assignment.objects.filter(item__session=session, reviewer__user=user)
    return list(
        found.select_related("item__session__experiment__team", "item__trace", "reviewer__user")
    )


def taking(session: FeedbackSession) -> int:
    return Assignment.objects.taking_a_place().filter(item__session=session).count()


def test_a_preview_writes_nothing(session, people):
    before = list(Assignment.objects.order_by("pk").values())

    change = preview_change(session, overlap=2, rooms=dict.fromkeys(people))

    assert len(change.plan.added) == 6
    assert change.joined == (people[2],)
    assert list(Assignment.objects.order_by("pk").values()) == before


def test_more_overlap_gives_each_item_another_person(session, lena):
    change = change_session(actor=lena, session=session, overlap=2)

    assert len(change.plan.added) == 6
    assert taking(session) == 12
    assert set(session.items.values_list("wanted", flat=True)) == {2}


def test_less_overlap_takes_away_what_nobody_began_and_nothing_else(judge, traces, people, lena):
    session = create_session(judge=judge, reviewers=people[:2], traces=traces, overlap=2)
    first = places(session, people[0])[0]
    answer(user=people[0], assignment=first, judge=judge)
    held = places(session, people[1])[1]
    hold(user=people[1], assignment=held)

    change = change_session(actor=lena, session=session, overlap=1)

    assert taking(session) == 6
    assert change.kept == 2
    held.refresh_from_db()
    assert held.given_back_at is None
    assert Assessment.objects.human().count() == 1


def test_who_is_taken_out_keeps_the_answers_and_leaves_the_rest(session, judge, people, lena):
    first, *rest = places(session, people[0])
    answer(user=people[0], assignment=first, judge=judge)

    change = change_session(actor=lena, session=session, rooms={people[1]: None})

    assert change.left == (people[0],)
    assert len(change.plan.added) == len(rest)
    assert taking(session) == 6
    assert not FeedbackSession.objects.visible_to(people[0]).exists()
    assert next_for(user=people[0], session=session) is None


def test_an_answer_of_somebody_taken_out_is_kept_as_extra(session, judge, people, lena):
    change_session(actor=lena, session=session, rooms={people[1]: None})
    late = places(session, people[0])[0]

    assert answer(user=people[0], assignment=late, judge=judge).outcome is Outcome.EXTRA


def test_somebody_new_takes_what_nobody_has(session, people, lena):
    skip(user=people[0], assignment=places(session, people[0])[0], reason="UNCLEAR")

    change_session(actor=lena, session=session, rooms=dict.fromkeys(people))

    assert len(places(session, people[2])) == 1
    assert taking(session) == 6


def test_somebody_taken_out_can_come_back(session, people, lena):
    change_session(actor=lena, session=session, rooms={people[1]: None})
    change_session(actor=lena, session=session, overlap=2, rooms=dict.fromkeys(people[:2]))

    assert taking(session) == 12
    assert next_for(user=people[0], session=session) is not None


@pytest.mark.parametrize("overlap", [0, 3, 11])
def test_no_overlap_beyond_the_people(session, overlap):
    with pytest.raises(SessionError) as refused:
        preview_change(session, overlap=overlap)
    assert refused.value.field == "overlap"


def test_a_session_that_is_over_is_not_changed(session, lena):
    session_states.close_session(session=session, now=timezone.now())

    with pytest.raises(SessionError, match="closed"):
        change_session(actor=lena, session=session, overlap=2)


def test_a_released_item_is_free_and_its_draft_stays(session, people, lena):
    mine = places(session, people[0])[0]
    hold(user=people[0], assignment=mine)

    assert give_back(actor=lena, assignments=[mine]) == 1
    assert give_back(actor=lena, assignments=[mine]) == 0

    mine.refresh_from_db()
    assert (mine.lease_until, mine.state) == (None, AssignmentState.TODO)
    assert taking(session) == 5


def test_a_moved_item_goes_to_the_other_batch(session, judge, people, lena):
    done, mine, _ = places(session, people[0])
    answer(user=people[0], assignment=done, judge=judge)
    other = session.reviewers.get(user=people[1])

    assert move(actor=lena, assignments=[done, mine], to=other) == 1

    assert places(session, people[1])[-1].item == mine.item
    assert taking(session) == 6
    assert Notification.objects.filter(kind="MOVED", user=people[1]).count() == 1


def test_a_flagged_item_can_be_moved_and_stays_flagged_for_its_first_reader(session, people, lena):
    mine = places(session, people[0])[0]
    skip(user=people[0], assignment=mine, reason="NOT_MY_FIELD")

    assert move(actor=lena, assignments=[mine], to=session.reviewers.get(user=people[1])) == 1

    mine.refresh_from_db()
    assert mine.state == AssignmentState.SKIPPED
    assert taking(session) == 6


def test_an_extension_opens_the_extra_time_again_and_renews_the_calendar(session, lena):
    now = timezone.now()
    session_states.begin_grace(session=session, now=now)

    extend(actor=lena, session=session, closes_at=now + timedelta(days=5))

    session.refresh_from_db()
    assert (session.status, session.revision) == (SessionStatus.OPEN, 1)
    assert Notification.objects.filter(kind="CHANGED").count() == 2
    with pytest.raises(SessionError, match="future"):
        extend(actor=lena, session=session, closes_at=now - timedelta(days=1))


def test_a_reminder_goes_to_those_with_items_left_once_an_hour(session, judge, people, lena):
    for mine in places(session, people[0]):
        answer(user=people[0], assignment=mine, judge=judge)
    everybody = list(session.reviewers.select_related("user"))
    now = timezone.now()

    assert remind(actor=lena, session=session, reviewers=everybody, now=now) == 1
    assert remind(actor=lena, session=session, reviewers=everybody, now=now) == 0
    assert Notification.objects.get(kind="REMINDER").user == people[1]


def test_the_clock_frees_what_went_silent(session, people):
    mine = places(session, people[0])[0]
    hold(user=people[0], assignment=mine)

    session_clock.tick(now=timezone.now() + timedelta(hours=1))

    mine.refresh_from_db()
    assert mine.given_back_at is not None
