"""A session from draft to settled: planned, handed out, moved on by time, copied, called off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from annotator.models import (
    ActivityLog,
    Assignment,
    FeedbackSession,
    Item,
    Judge,
    Reviewer,
    SessionStatus,
    Trace,
    User,
)
from annotator.services import session_clock, session_states, sessions
from annotator.services.session_checks import SessionError
from annotator.services.sessions import (
    Pick,
    copy_session,
    delete_draft,
    set_items,
    set_judges,
    set_reviewers,
    update_session,
)
from annotator.services.settling import settle_label
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

NOW = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def judge(lena: User) -> Judge:
    return create_judge(experiment=create_experiment(team=create_team(name="Support")), actor=lena)


@pytest.fixture
def traces(judge: Judge) -> list[Trace]:
    return [create_trace(experiment=judge.experiment) for _ in range(8)]


@pytest.fixture
def people(lena: User) -> list[User]:
    team = create_team(name="Support")
    return [create_user(username=f"person{number}", team=team) for number in range(4)]


@pytest.fixture
def draft(judge: Judge, traces: list[Trace], people: list[User], lena: User) -> FeedbackSession:
    return create_session(
        judge=judge,
        reviewers=people,
        traces=traces,
        actor=lena,
        now=NOW,
        is_open=False,
        opens_at=NOW + HOUR,
        closes_at=NOW + 5 * HOUR,
        grace_minutes=60,
        per_reviewer=5,
        shared_items=3,
    )


def status(session: FeedbackSession) -> str:
    return FeedbackSession.objects.get(pk=session.pk).status


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"name": " "}, "name"),
        ({"overlap": 0}, "overlap"),
        ({"overlap": 11}, "overlap"),
        ({"per_reviewer": 0}, "per_reviewer"),
        ({"shared_items": 6, "per_reviewer": 5}, "shared_items"),
        ({"goal": "FUN"}, "goal"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"closes_at": NOW}, "closes_at"),
        ({"grace_minutes": -1}, "grace_minutes"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_setting_out_of_bounds_is_refused_at_its_field(draft, lena, settings, field):
    with pytest.raises(SessionError) as refused:
        update_session(actor=lena, session=draft, **settings)

    assert refused.value.field == field


def test_the_preview_is_what_is_handed_out(draft, lena):
    plan = session_states.preview(draft)

    session_states.schedule_session(actor=lena, session=draft, now=NOW)

    handed = {
        reviewer.pk: set(reviewer.assignments.values_list("item", flat=True))
        for reviewer in draft.reviewers.all()
    }
    assert handed == {person: set(batch) for person, batch in plan.batches.items()}
    assert plan.answers == Assignment.objects.count() == 4 * 3 + 5


def test_everybody_begins_with_the_same_items(draft, lena):
    session_states.schedule_session(actor=lena, session=draft, now=NOW)

    firsts = {
        tuple(each.assignments.values_list("item", flat=True)[:3])
        for each in Reviewer.objects.all()
    }
    assert len(firsts) == 1
    assert Item.objects.filter(is_shared=True, wanted=4).count() == 3


@pytest.mark.parametrize(
    ("lacking", "field"),
    [("items", "items"), ("people", "reviewers"), ("window", "opens_at"), ("past", "closes_at")],
)
def test_what_lacks_something_is_not_announced(draft, lena, lacking, field):
    if lacking == "items":
        set_items(actor=lena, session=draft, picks=[])
    elif lacking == "people":
        set_reviewers(actor=lena, session=draft, rooms={})
    elif lacking == "window":
        update_session(actor=lena, session=draft, opens_at=None, closes_at=None)

    with pytest.raises(SessionError) as refused:
        session_states.schedule_session(
            actor=lena, session=draft, now=NOW + 9 * HOUR if lacking == "past" else NOW
        )

    assert refused.value.field == field
    assert status(draft) == SessionStatus.DRAFT
    assert not Assignment.objects.exists()


def test_items_for_which_nobody_has_room_are_said_before_it_is_announced(draft, lena, people):
    update_session(actor=lena, session=draft, per_reviewer=4)

    with pytest.raises(SessionError, match="1 answers have nobody"):
        session_states.schedule_session(actor=lena, session=draft, now=NOW)

    session_states.schedule_session(actor=lena, session=draft, now=NOW, allow_short=True)
    assert status(draft) == SessionStatus.SCHEDULED


def test_time_opens_ends_and_closes_a_session(draft, lena):
    session_states.schedule_session(actor=lena, session=draft, now=NOW)
    seen = []
    for hours in (0.5, 1, 4, 5, 5.5, 6, 9):
        session_clock.tick(now=NOW + hours * HOUR)
        seen.append(status(draft))

    assert seen == ["SCHEDULED", "OPEN", "OPEN", "GRACE", "GRACE", "CLOSED", "CLOSED"]
    actions = ActivityLog.objects.filter(target_kind="feedbacksession").values_list(
        "action", flat=True
    )
    assert [
        action for action in actions.order_by("pk") if action in ("opened", "ended", "closed")
    ] == [
        "opened",
        "ended",
        "closed",
    ]


def test_a_scheduler_that_was_away_for_a_day_catches_up(draft, lena):
    session_states.schedule_session(actor=lena, session=draft, now=NOW)

    session_clock.tick(now=NOW + 24 * HOUR)

    assert status(draft) == SessionStatus.CLOSED


def test_a_step_that_two_take_at_once_is_taken_once(draft, lena):
    session_states.schedule_session(actor=lena, session=draft, now=NOW)
    other = FeedbackSession.objects.get(pk=draft.pk)

    assert session_states.open_session(session=draft, now=NOW)
    assert not session_states.open_session(session=other, now=NOW)
    assert ActivityLog.objects.filter(action="opened").count() == 1


def test_in_the_extra_time_what_nobody_began_is_there_for_everybody(draft, lena, people):
    update_session(actor=lena, session=draft, take_more=True)
    session_states.schedule_session(actor=lena, session=draft, now=NOW)
    session_clock.tick(now=NOW + 1 * HOUR)
    session_clock.tick(now=NOW + 5 * HOUR)

    open_places = Assignment.objects.filter(given_back_at__isnull=False)
    assert open_places.count() == 5
    assert not open_places.filter(item__is_shared=True).exists()


def test_the_scheduler_settles_a_closed_session_once_all_that_was_answered_has_a_label(
    draft, judge, lena
):
    session_states.schedule_session(actor=lena, session=draft, now=NOW)
    session_clock.tick(now=NOW + HOUR)
    shared = draft.items.filter(is_shared=True).first()
    for place, value in zip(
        shared.assignments.select_related("reviewer__user"), ("good", "poor"), strict=False
    ):
        user = place.reviewer.user
        own = assignment_of(user=user, session=draft, trace=shared.trace)
        answer(user=user, assignment=own, judge=judge, value=value, now=NOW + 2 * HOUR)
    session_clock.tick(now=NOW + 24 * HOUR)
    assert status(draft) == SessionStatus.CLOSED
    draft.refresh_from_db()
    with pytest.raises(SessionError, match="One trace has answers and no label yet"):
        session_states.settle_session(actor=lena, session=draft)

    settle_label(actor=lena, judge=judge, trace=shared.trace, value="poor")
    session_clock.tick(now=NOW + 25 * HOUR)
    assert status(draft) == SessionStatus.SETTLED


def test_only_a_closed_session_is_settled(draft, lena):
    session_states.schedule_session(actor=lena, session=draft, now=NOW)
    with pytest.raises(SessionError, match="Close"):
        session_states.settle_session(actor=lena, session=draft)
    session_clock.tick(now=NOW + 24 * HOUR)
    draft.refresh_from_db()

    assert session_states.settle_session(actor=lena, session=draft)
    assert not session_states.settle_session(actor=lena, session=draft)
    assert status(draft) == SessionStatus.SETTLED


def test_an_announced_session_keeps_what_people_rely_on(draft, lena, traces, people, judge):
    session_states.schedule_session(actor=lena, session=draft, now=NOW)
    changes: list[Any] = [
        lambda: update_session(actor=lena, session=draft, overlap=2),
        lambda: set_reviewers(actor=lena, session=draft, rooms={people[0]: None}),
        lambda: set_items(actor=lena, session=draft, picks=[Pick(trace=traces[0].pk)]),
        lambda: set_judges(actor=lena, session=draft, judges=[judge]),
        lambda: delete_draft(actor=lena, session=draft),
    ]
    for change in changes:
        with pytest.raises(SessionError):
            change()

    update_session(actor=lena, session=draft, name="Another name")
    assert FeedbackSession.objects.get().name == "Another name"


def test_a_called_off_session_keeps_the_answers(judge, traces, people, lena):
    session = create_session(judge=judge, reviewers=people[:1], traces=traces)
    mine = assignment_of(user=people[0], session=session, trace=traces[0])
    given = answer(user=people[0], assignment=mine, judge=judge).assessment
    assert given is not None

    assert session_states.cancel_session(actor=lena, session=session)

    given.refresh_from_db()
    assert given.valid
    assert not FeedbackSession.objects.visible_to(people[0]).exists()


def test_people_outside_the_team_do_not_review(draft, lena, olga):
    with pytest.raises(SessionError, match="olga is not in the team"):
        set_reviewers(actor=lena, session=draft, rooms={olga: None})


def test_traces_of_another_experiment_or_twice_are_refused(draft, lena, traces):
    stranger = create_trace()
    with pytest.raises(SessionError, match="not in the experiment"):
        set_items(actor=lena, session=draft, picks=[Pick(trace=stranger.pk)])
    with pytest.raises(SessionError, match="twice"):
        set_items(actor=lena, session=draft, picks=[Pick(trace=traces[0].pk)] * 2)


def test_a_copy_has_the_people_and_settings_and_neither_items_nor_time(draft, lena, people):
    people[3].memberships.all().delete()

    copy = copy_session(actor=lena, session=draft)

    assert copy.status == SessionStatus.DRAFT
    assert (copy.per_reviewer, copy.shared_items, copy.grace_minutes) == (5, 3, 60)
    assert (copy.opens_at, copy.copied_from) == (None, draft)
    assert set(copy.reviewers.values_list("user", flat=True)) == {each.pk for each in people[:3]}
    assert not copy.items.exists()


def test_load_is_what_people_have_left_elsewhere(judge, traces, people):
    first = create_session(judge=judge, reviewers=people[:1], traces=traces[:3])
    mine = assignment_of(user=people[0], session=first, trace=traces[0])
    answer(user=people[0], assignment=mine, judge=judge)

    assert sessions.loads(people[:2]) == {people[0].pk: 2}
    assert sessions.loads(people[:2], but=first) == {}
