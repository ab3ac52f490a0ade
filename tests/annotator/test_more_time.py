"""More time for some reviewers of a session: what it does to their pages, to the others, and to the session's end."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from icalendar import Calendar

from annotator.models import (
    Assignment,
    FeedbackSession,
    Judge,
    Notification,
    NotificationKind,
    SessionStatus,
    Team,
    Trace,
    User,
)
from annotator.services import session_clock
from annotator.services.assignments import hold, save_draft, skip
from annotator.services.mail_texts import calendar_file
from annotator.services.more_time import give_more_time
from annotator.services.session_changes import extend
from annotator.services.session_checks import SessionError
from annotator.services.submissions import Outcome
from tests.factories import (
    answer,
    create_experiment,
    create_judge,
    create_session,
    create_trace,
    create_user,
)

HOUR = timedelta(hours=1)


@pytest.fixture
def judge(team: Team) -> Judge:
    return create_judge(experiment=create_experiment(team=team))


@pytest.fixture
def ben(team: Team) -> User:
    return create_user(username="ben", team=team, email="ben@example.org")


@pytest.fixture
def closes() -> datetime:
    return (timezone.now() + timedelta(days=1)).replace(second=0, microsecond=0)


@pytest.fixture
def session(judge: Judge, alice: User, ben: User, lena: User, closes: datetime) -> FeedbackSession:
    """Alice and Ben have two items each; it closes tomorrow, without extra time."""
    traces: list[Trace] = [create_trace(experiment=judge.experiment) for _ in range(4)]
    return create_session(
        judge=judge,
        reviewers=[alice, ben],
        traces=traces,
        actor=lena,
        per_reviewer=2,
        closes_at=closes,
        take_more=True,
    )


def give(session: FeedbackSession, user: User, actor: User, until: datetime | None) -> int:
    reviewers = list(session.reviewers.filter(user=user).select_related("user"))
    return give_more_time(actor=actor, session=session, reviewers=reviewers, closes_at=until)


def places(session: FeedbackSession, user: User) -> list[Assignment]:
    found = Assignment.objects.filter(item__session=session, reviewer__user=user)
    return list(
        found.select_related("item__session__experiment__team", "item__trace", "reviewer__user")
    )


@pytest.fixture
def as_lena(client: Client, lena: User) -> Client:
    client.force_login(lena)
    return client


def status(session: FeedbackSession) -> str:
    session.refresh_from_db()
    return session.status


def test_the_session_stays_until_the_last_of_them_has_ended(session, alice, ben, lena, closes):
    give(session, ben, lena, closes + 5 * HOUR)

    session_clock.tick(now=closes + HOUR)
    assert status(session) == SessionStatus.GRACE
    session_clock.tick(now=closes + 5 * HOUR)
    assert status(session) == SessionStatus.CLOSED


def test_who_has_more_time_keeps_the_items_and_answers_for_the_session(
    session, judge, alice, ben, lena, closes
):
    give(session, ben, lena, closes + 5 * HOUR)
    session_clock.tick(now=closes + HOUR)

    first, second = places(session, ben)
    later = closes + 2 * HOUR
    assert (first.given_back_at, second.given_back_at) == (None, None)
    hold(user=ben, assignment=first, now=later)
    save_draft(user=ben, assignment=first, judge=judge.pk, draft={"value": "good"}, now=later)
    assert answer(user=ben, assignment=first, judge=judge, now=later).outcome is Outcome.SUBMITTED
    skip(user=ben, assignment=second, reason="UNCLEAR", now=later)


def test_for_the_others_it_is_over_and_a_late_answer_is_kept_as_extra(
    session, judge, alice, ben, lena, closes
):
    give(session, ben, lena, closes + 5 * HOUR)
    session_clock.tick(now=closes + HOUR)

    first, second = places(session, alice)
    later = closes + 2 * HOUR
    with pytest.raises(SessionError, match="is over"):
        hold(user=alice, assignment=first, now=later)
    with pytest.raises(SessionError, match="is over"):
        skip(user=alice, assignment=second, reason="UNCLEAR", now=later)
    assert answer(user=alice, assignment=first, judge=judge, now=later).outcome is Outcome.EXTRA


def test_what_somebody_with_more_time_left_is_free_once_that_is_over_too(
    session, alice, ben, lena, closes
):
    give(session, ben, lena, closes + 5 * HOUR)
    give(session, alice, lena, closes + 9 * HOUR)

    session_clock.tick(now=closes + 6 * HOUR)

    assert status(session) == SessionStatus.GRACE
    assert all(place.given_back_at for place in places(session, ben))
    assert not any(place.given_back_at for place in places(session, alice))


def test_a_later_end_for_everybody_is_not_cut_short(session, judge, alice, ben, lena, closes):
    give(session, ben, lena, closes + HOUR)
    extend(actor=lena, session=session, closes_at=closes + 8 * HOUR)

    session_clock.tick(now=closes + 2 * HOUR)

    assert status(session) == SessionStatus.OPEN
    place = places(session, ben)[0]
    given = answer(user=ben, assignment=place, judge=judge, now=closes + 7 * HOUR)
    assert given.outcome is Outcome.SUBMITTED


def test_each_is_told_once_with_a_calendar_entry_of_their_own(session, alice, ben, lena, closes):
    assert give(session, ben, lena, closes + 5 * HOUR) == 1
    assert give(session, ben, lena, closes + 5 * HOUR) == 0

    told = Notification.objects.get(kind=NotificationKind.CHANGED)
    assert told.user == ben
    session.refresh_from_db()
    ends = {
        user: Calendar.from_ical(calendar_file(session, user)).events[0].DTEND
        for user in (alice, ben)
    }
    assert ends == {alice: closes, ben: closes + 5 * HOUR}
    assert session.revision == 1


def test_the_last_hour_is_told_before_each_ones_own_end(session, alice, ben, lena, closes):
    give(session, ben, lena, closes + 5 * HOUR)

    def told() -> list[User]:
        last_hour = Notification.objects.filter(kind=NotificationKind.LAST_HOUR)
        return [each.user for each in last_hour.select_related("user").order_by("pk")]

    session_clock.tick(now=closes - HOUR / 2)
    session_clock.tick(now=closes - HOUR / 3)
    assert told() == [alice]
    session_clock.tick(now=closes + HOUR)
    assert told() == [alice]
    session_clock.tick(now=closes + 4.5 * HOUR)
    session_clock.tick(now=closes + 4.6 * HOUR)
    assert told() == [alice, ben]


@pytest.mark.parametrize("hours", [-30, -1, 0])
def test_an_end_that_is_no_later_than_the_session_s_is_refused(session, ben, lena, closes, hours):
    with pytest.raises(SessionError, match="later than the end") as refused:
        give(session, ben, lena, closes + hours * HOUR)
    assert refused.value.field == "closes_at"


def test_a_closed_session_is_not_given_more_time(session, ben, lena, closes):
    session_clock.tick(now=closes + HOUR)

    with pytest.raises(SessionError, match="closed"):
        give(session, ben, lena, closes + 5 * HOUR)


def test_a_lead_gives_more_time_to_those_ticked_and_takes_it_back(as_lena: Client, session, ben):
    reviewer = session.reviewers.get(user=ben)
    asked = as_lena.post(
        reverse("session-people", args=[session.pk]),
        {"action": "extend", "reviewer": reviewer.pk},
    ).content.decode()
    assert "More time for ben" in asked
    address = reverse("session-more-time", args=[session.pk])
    late = {"reviewer": reviewer.pk, "closes_at": "2040-05-01T10:00"}

    board = as_lena.post(address, late, follow=True).content.decode()
    assert "ben has more time" in board
    assert "until Tue 1 May 10:00" in board

    back = as_lena.post(address, {**late, "action": "take_back"}, follow=True).content.decode()
    assert "until Tue 1 May" not in back
    reviewer.refresh_from_db()
    assert reviewer.closes_at is None


def test_a_time_that_is_too_early_is_said_beside_the_field(as_lena: Client, session, ben):
    reviewer = session.reviewers.get(user=ben)
    answered = as_lena.post(
        reverse("session-more-time", args=[session.pk]),
        {"reviewer": reviewer.pk, "closes_at": "2020-05-01T10:00"},
    )
    assert answered.status_code == 422
    assert "later than the end" in answered.content.decode()


def test_a_reviewer_s_pages_say_the_end_that_holds_for_them(as_alice: Client, session, alice, lena):
    give(session, alice, lena, datetime(2040, 5, 1, 10, tzinfo=session.zone))

    assert (
        "1 May 10:00" in as_alice.get(reverse("session-detail", args=[session.pk])).content.decode()
    )
    assert "1 May" in as_alice.get(reverse("batch-list")).content.decode()


def test_a_reviewer_whose_time_is_over_reads_so_while_others_go_on(
    as_alice: Client, judge, alice, ben, lena
):
    now = timezone.now()
    session = create_session(
        judge=judge,
        reviewers=[alice, ben],
        traces=[create_trace(experiment=judge.experiment) for _ in range(2)],
        actor=lena,
        per_reviewer=1,
        opens_at=now - 5 * HOUR,
        closes_at=now - HOUR,
        now=now - 5 * HOUR,
    )
    give(session, ben, lena, now + HOUR)
    session_clock.tick(now=now)

    assert status(session) == SessionStatus.GRACE
    end = as_alice.get(reverse("batch-review", args=[session.pk])).content.decode()
    assert "It closed" in end
    place = places(session, alice)[0]
    page = as_alice.get(reverse("batch-item", args=[session.pk, place.pk])).content.decode()
    assert "data-read-only" in page
    assert reverse("batch-review", args=[session.pk]) not in as_alice.get("/").content.decode()
