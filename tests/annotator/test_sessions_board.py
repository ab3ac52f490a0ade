"""A lead's board: its numbers, the lists behind them, and what can be done from it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from annotator.models import (
    Assignment,
    FeedbackSession,
    Judge,
    Notification,
    NotificationKind,
    SessionStatus,
    StandingRule,
    Team,
    Trace,
    User,
)
from annotator.services import assignments
from annotator.services.session_board import board_of, item_state
from annotator.services.session_states import close_session
from tests import factories
from tests.factories import (
    assignment_of,
    create_experiment,
    create_judge,
    create_session,
    create_trace,
    create_user,
)


@pytest.fixture
def judge(team: Team) -> Judge:
    return create_judge(experiment=create_experiment(team=team))


@pytest.fixture
def ben(team: Team) -> User:
    return create_user(username="ben", team=team)


@pytest.fixture
def traces(judge: Judge) -> list[Trace]:
    return [create_trace(experiment=judge.experiment, question=f"Question {n}") for n in range(4)]


@pytest.fixture
def session(
    judge: Judge, traces: list[Trace], alice: User, ben: User, lena: User
) -> FeedbackSession:
    """Two people, four traces, each of which both answer."""
    return create_session(judge=judge, reviewers=[alice, ben], traces=traces, actor=lena, overlap=2)


def answer(
    *,
    user: User,
    session: FeedbackSession,
    trace: Trace,
    value: str = "good",
    rationale: str = "",
    now: datetime | None = None,
) -> None:
    """The user's answer on a trace, under the session's first judge's name."""
    factories.answer(
        user=user,
        assignment=assignment_of(user=user, session=session, trace=trace),
        judge=session.session_judges.select_related("judge")[0].judge,
        value=value,
        rationale=rationale,
        now=now,
    )


def _page(session: FeedbackSession) -> str:
    return reverse("session-detail", args=[session.pk])


def _items(session: FeedbackSession) -> str:
    return reverse("session-items", args=[session.pk])


@pytest.mark.parametrize(
    ("done", "wanted", "has_labels", "state"),
    [
        (0, 2, False, "review"),
        (0, 2, True, "review"),
        (1, 2, True, "others"),
        (2, 2, False, "settling"),
        (2, 2, True, "settled"),
        (3, 2, True, "settled"),
    ],
)
def test_an_item_needs_review_then_others_then_settling_and_is_settled(
    done: int, wanted: int, has_labels: bool, state: str
) -> None:
    assert item_state(done=done, wanted=wanted, has_labels=has_labels) == state


def test_the_board_names_holder_and_time_left_and_a_lead_releases(
    client: Client, session: FeedbackSession, traces: list[Trace], alice: User, lena: User
) -> None:
    place = assignment_of(user=alice, session=session, trace=traces[0])
    assignments.hold(user=alice, assignment=place)
    client.force_login(lena)
    held = client.get(_page(session)).context["board"].held
    assert [(row.who, row.words) for row in held] == [("alice", "Question 0")]
    assert "min" in held[0].left or "s" in held[0].left
    page = client.post(
        reverse("session-release", args=[session.pk]), {"place": place.pk}, follow=True
    )
    assert "1 item released; others can take it." in page.content.decode()
    place.refresh_from_db()
    assert place.given_back_at is not None
    assert not page.context["board"].held


def test_a_lead_moves_items_to_somebody_else(
    client: Client, judge: Judge, traces: list[Trace], alice: User, ben: User, lena: User
) -> None:
    session = create_session(judge=judge, reviewers=[alice, ben], traces=traces, actor=lena)
    client.force_login(lena)
    one, other = session.reviewers.order_by("pk")
    people = reverse("session-people", args=[session.pk])
    page = client.post(people, {"reviewer": one.pk, "action": "move"})
    places = [place.pk for place in page.context["places"]]
    assert len(places) == 2
    assert list(page.context["others"]) == [other]
    done = client.post(
        reverse("session-move", args=[session.pk]), {"place": places, "to": other.pk}, follow=True
    )
    assert "2 items moved to ben." in done.content.decode()
    board = board_of(session, now=timezone.now())
    assert [person.left for person in board.people] == [0, 4]


def test_those_ticked_are_reminded_once_an_hour(
    client: Client, session: FeedbackSession, lena: User
) -> None:
    client.force_login(lena)
    people = reverse("session-people", args=[session.pk])
    data: dict[str, Any] = {
        "reviewer": [each.pk for each in session.reviewers.all()],
        "action": "remind",
    }
    assert "2 people reminded." in client.post(people, data, follow=True).content.decode()
    again = client.post(people, data, follow=True).content.decode()
    assert "0 people reminded; the others have nothing left" in again
    assert Notification.objects.filter(kind=NotificationKind.REMINDER).count() == 2
    nobody = client.post(people, {"action": "remind"}, follow=True).content.decode()
    assert "Tick the people first" in nobody


def test_overlap_and_people_are_previewed_and_then_changed(
    client: Client,
    session: FeedbackSession,
    traces: list[Trace],
    alice: User,
    lena: User,
    team: Team,
) -> None:
    answer(user=alice, session=session, trace=traces[0], value="good")
    cem = create_user(username="cem", team=team)
    client.force_login(lena)
    change = reverse("session-change", args=[session.pk])
    data = {
        "reviewers": [alice.pk, cem.pk],
        "overlap": "1",
        "action": "preview",
    }
    page = client.post(change, data)
    assert page.status_code == 200
    rows = {row["who"]: row for row in page.context["change"]}
    assert rows["cem"]["note"] == "comes in"
    assert rows["ben"]["note"].startswith("goes out")
    assert (rows["ben"]["before"], rows["ben"]["then"]) == (4, 0)
    session.refresh_from_db()
    assert session.overlap == 2
    done = client.post(change, {**data, "action": "apply"}, follow=True)
    session.refresh_from_db()
    assert session.overlap == 1
    assert "handed out" in done.content.decode()
    assert set(
        session.reviewers.filter(removed_at=None).values_list("user__username", flat=True)
    ) == {"alice", "cem"}
    assert Assignment.objects.get(reviewer__user=alice, item__trace=traces[0]).state == "DONE"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"action": "preview", "overlap": "1"}, "choose at least one person"),
        ({"action": "preview", "overlap": "3"}, "choose from 1 to 2"),
        ({"action": "preview", "overlap": "x"}, "Enter a whole number."),
        ({"action": "time", "closes_at": "soon", "grace_minutes": "0"}, "Write the day and the time"),
        ({"action": "time", "closes_at": "2001-01-01T10:00", "grace_minutes": "0"}, "must be in the future"),
        ({"action": "time", "closes_at": "2040-01-01T10:00", "grace_minutes": "-5"}, "greater than or equal to 0"),
    ],
)  # fmt: skip
def test_a_change_that_cannot_be_says_why(
    client: Client,
    session: FeedbackSession,
    alice: User,
    ben: User,
    lena: User,
    data: dict[str, Any],
    sentence: str,
) -> None:
    client.force_login(lena)
    if data.get("overlap") not in (None, "1"):
        data = {**data, "reviewers": [alice.pk, ben.pk]}
    page = client.post(reverse("session-change", args=[session.pk]), data)
    assert page.status_code == 422
    assert sentence in page.content.decode()


def test_the_window_is_extended_and_people_are_told(
    client: Client, session: FeedbackSession, lena: User
) -> None:
    client.force_login(lena)
    data = {"action": "time", "closes_at": "2040-01-01T10:00", "grace_minutes": "30"}
    page = client.post(reverse("session-change", args=[session.pk]), data, follow=True)
    assert "The new time is set" in page.content.decode()
    session.refresh_from_db()
    assert (session.closes_at.year, session.grace_minutes) == (2040, 30)  # type: ignore[union-attr]
    assert Notification.objects.filter(kind=NotificationKind.CHANGED).count() == 2


def test_a_board_that_is_polled_keeps_what_was_ticked_and_stops_when_it_is_over(
    client: Client, session: FeedbackSession, lena: User
) -> None:
    client.force_login(lena)
    one = session.reviewers.order_by("pk")[0]
    part = client.get(_page(session), {"reviewer": one.pk}, headers={"HX-Request": "true"})
    text = part.content.decode()
    assert "<html" not in text
    assert 'hx-trigger="every 4s"' in text
    assert text.count(" checked") == 1
    close_session(session=session, now=timezone.now(), actor=lena)
    over = client.get(_page(session), headers={"HX-Request": "true"}).content.decode()
    assert "hx-trigger" not in over


def test_a_lead_who_has_yet_to_answer_sees_nobody_elses_answer_on_the_board(
    client: Client, judge: Judge, traces: list[Trace], alice: User, lena: User
) -> None:
    session = create_session(
        judge=judge, reviewers=[alice, lena], traces=traces, actor=lena, overlap=2
    )
    answer(user=alice, session=session, trace=traces[0], value="poor")
    client.force_login(lena)
    board = client.get(_page(session)).context["board"]
    assert [part.count.value for part in board.judges[0].mix] == [0, 0]
    answers = reverse("session-answers", args=[session.pk])
    negative = f"{answers}?judge={judge.pk}&side=negative"
    page = client.get(negative)
    assert page.context["total"] == 0
    assert "Traces that you have yet to answer yourself are left out" in page.content.decode()
    answer(user=lena, session=session, trace=traces[0], value="good")
    assert client.get(negative).context["total"] == 1


def test_the_forecast_waits_for_everybodys_pace(
    session: FeedbackSession, traces: list[Trace], alice: User, ben: User
) -> None:
    now = timezone.now()
    for minutes, trace in enumerate(traces[:3]):
        answer(
            user=alice, session=session, trace=trace, now=now - timedelta(minutes=6 - 2 * minutes)
        )
    board = board_of(session, now=now)
    assert board.done_by is None
    assert [str(reviewer.user) for reviewer in board.without_pace] == ["ben"]
    for minutes, trace in enumerate(traces):
        answer(user=ben, session=session, trace=trace, now=now - timedelta(minutes=8 - 2 * minutes))
    board = board_of(session, now=now)
    assert board.done_by == now + timedelta(minutes=2)
    assert [person.left for person in board.people] == [1, 0]


def test_a_wrong_filter_says_so_and_is_left_out(
    client: Client, session: FeedbackSession, lena: User
) -> None:
    client.force_login(lena)
    for query in (
        "state=lost",
        "reviewer=0",
        "place=LOST",
        "differ=yes&judge=x",
        "page=x",
    ):
        page = client.get(f"{_items(session)}?{query}")
        assert page.status_code == 200
        assert page.context["total"] == 4
        assert ("It was left out." in page.content.decode()) == (query != "page=x")


def test_what_can_be_done_follows_the_state(
    client: Client,
    session: FeedbackSession,
    judge: Judge,
    traces: list[Trace],
    alice: User,
    lena: User,
) -> None:
    client.force_login(lena)
    act = reverse("session-act", args=[session.pk])

    def offered() -> set[str]:
        return {action["value"] for action in client.get(_page(session)).context["actions"]}

    assert offered() == {"cancel", "close", "copy"}
    assert (
        "Close the session first"
        in client.post(act, {"action": "finish"}, follow=True).content.decode()
    )
    client.post(act, {"action": "close"})
    assert offered() == {"finish", "copy"}
    again = client.post(act, {"action": "close"}, follow=True).content.decode()
    assert "That cannot be done any more" in again
    client.post(act, {"action": "finish"})
    session.refresh_from_db()
    assert session.status == SessionStatus.SETTLED
    assert offered() == {"copy"}
    unknown = client.post(act, {"action": "explode"}, follow=True).content.decode()
    assert "Choose what to do with the session." in unknown
    draft = create_session(judge=judge, reviewers=[alice], traces=traces, is_open=False)
    client.post(reverse("session-act", args=[draft.pk]), {"action": "delete"})
    assert not FeedbackSession.objects.filter(pk=draft.pk).exists()


def test_a_draft_whose_answers_nobody_has_room_for_says_so_before_it_is_scheduled(
    client: Client, judge: Judge, traces: list[Trace], alice: User, lena: User
) -> None:
    draft = create_session(
        judge=judge, reviewers=[alice], traces=traces, is_open=False, per_reviewer=3
    )
    client.force_login(lena)
    page = client.get(_page(draft)).content.decode()
    assert "1 answer has nobody, because nobody has room." in page
    act = reverse("session-act", args=[draft.pk])
    refused = client.post(act, {"action": "schedule"}, follow=True).content.decode()
    assert "answers have nobody" in refused
    client.post(act, {"action": "schedule", "allow_short": "1"})
    draft.refresh_from_db()
    assert draft.status == SessionStatus.OPEN


def test_a_reviewer_sees_the_own_part_alone_and_its_calendar_file(
    client: Client, session: FeedbackSession, traces: list[Trace], alice: User, olga: User
) -> None:
    client.force_login(alice)
    page = client.get(_page(session))
    text = page.content.decode()
    assert "0 of 4" in text
    assert reverse("batch-review", args=[session.pk]) in text
    assert "ben" not in text
    calendar = client.get(reverse("session-calendar", args=[session.pk]))
    assert calendar.headers["Content-Type"] == "text/calendar"
    assert b"BEGIN:VEVENT" in calendar.content
    client.force_login(olga)
    assert client.get(_page(session)).status_code == 404


def test_a_lead_hears_whom_no_e_mail_reaches_before_and_after_it_is_scheduled(
    client: Client, judge: Judge, traces: list[Trace], alice: User, team: Team, lena: User
) -> None:
    reached = create_user(team=team, email="cleo@example.org")
    draft = create_session(judge=judge, reviewers=[alice, reached], traces=traces, is_open=False)
    client.force_login(lena)
    said = f"{alice} has no e-mail address here and finds the session under “My batches”"
    page = client.get(_page(draft)).content.decode()
    assert said in page
    assert "Then 1 invitation goes out." in page
    acted = client.post(
        reverse("session-act", args=[draft.pk]), {"action": "schedule"}, follow=True
    )
    assert said in acted.content.decode()


@pytest.mark.parametrize("hours", [-1, 24])
def test_the_invitation_is_shown_before_it_is_sent_word_for_word(
    client: Client, judge: Judge, traces: list[Trace], alice: User, lena: User, hours: int
) -> None:
    draft = create_session(
        judge=judge,
        reviewers=[alice],
        traces=traces,
        is_open=False,
        opens_at=timezone.now() + timedelta(hours=hours),
    )
    client.force_login(lena)
    shown = client.get(_page(draft)).context["invitation"]
    client.post(reverse("session-act", args=[draft.pk]), {"action": "schedule"})
    sent = Notification.objects.get()
    assert (shown.subject, shown.sentence, shown.button) == (
        sent.subject,
        sent.sentence,
        sent.button,
    )


def test_a_standing_rule_is_switched_on_and_off(
    client: Client, session: FeedbackSession, lena: User
) -> None:
    client.force_login(lena)
    address = reverse("session-rule", args=[session.pk])
    data = {
        "rule-every_days": "7", "rule-items": "20", "rule-window_hours": "72", "rule-random_share": "100", "action": "on",
    }  # fmt: skip
    page = client.post(address, data, follow=True).content.decode()
    assert "On: one like this every 7 days." in page
    assert StandingRule.objects.get().is_active
    assert session.name in client.get(reverse("session-list")).content.decode()
    client.post(address, {**data, "action": "off"})
    assert not StandingRule.objects.get().is_active
    wrong = client.post(address, {**data, "rule-every_days": "0"}, follow=True).content.decode()
    assert "Every … days" in wrong


def test_the_number_of_queries_does_not_grow_with_items_and_people(
    client: Client, judge: Judge, team: Team, lena: User
) -> None:
    def queries(session: FeedbackSession) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(_page(session)).status_code == 200
        return len(captured)

    def made(people: int, items: int) -> FeedbackSession:
        reviewers = [create_user(team=team) for _ in range(people)]
        session = create_session(
            judge=judge,
            reviewers=reviewers,
            traces=[create_trace(experiment=judge.experiment) for _ in range(items)],
            actor=lena,
        )
        for place in Assignment.objects.filter(item__session=session)[:items]:
            answer(user=place.reviewer.user, session=session, trace=place.item.trace)
        return session

    client.force_login(lena)
    small, big = made(2, 3), made(5, 12)
    queries(small)  # what a process remembers between requests
    assert queries(small) == queries(big)


def test_the_list_of_sessions_costs_the_same_however_many_there_are(
    client: Client, judge: Judge, traces: list[Trace], alice: User, lena: User
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(reverse("session-list")).status_code == 200
        return len(captured)

    client.force_login(lena)
    create_session(judge=judge, reviewers=[alice], traces=traces[:1], actor=lena)
    queries()
    few = queries()
    for trace in traces[1:]:
        create_session(judge=judge, reviewers=[alice], traces=[trace], actor=lena)
    assert queries() == few


def test_the_list_shows_sessions_by_state_and_three_ways_to_begin(
    client: Client, judge: Judge, traces: list[Trace], alice: User, lena: User
) -> None:
    client.force_login(lena)
    empty = client.get(reverse("session-list"))
    assert [start["title"] for start in empty.context["starts"]] == [
        "Balance a judge", "Check for drift", "Settle disagreements",
    ]  # fmt: skip
    for start in empty.context["starts"]:
        assert client.get(start["href"]).status_code == 200
    tomorrow = timezone.now() + timedelta(days=1)
    create_session(judge=judge, reviewers=[alice], traces=traces[:1], name="Now", actor=lena)
    create_session(
        judge=judge,
        reviewers=[alice],
        traces=traces[1:2],
        name="Later",
        opens_at=tomorrow,
        actor=lena,
    )
    create_session(
        judge=judge, reviewers=[alice], traces=traces[2:3], name="Not yet", is_open=False
    )
    past = create_session(
        judge=judge, reviewers=[alice], traces=traces[3:], name="Over", actor=lena
    )
    close_session(session=past, now=timezone.now(), actor=lena)
    groups = client.get(reverse("session-list")).context["groups"]
    assert [(group["title"], [row.session.name for row in group["rows"]]) for group in groups] == [
        ("Drafts", ["Not yet"]), ("Open", ["Now"]), ("Scheduled", ["Later"]), ("Past", ["Over"]),
    ]  # fmt: skip
    client.force_login(alice)
    page = client.get(reverse("session-list"))
    names = [row.session.name for group in page.context["groups"] for row in group["rows"]]
    assert names == ["Now", "Later", "Over"]
