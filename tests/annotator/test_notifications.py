"""E-mail about sessions: told once, as each person wants it, with a calendar file; and nothing twice, whoever dies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.core import mail
from django.test import Client, override_settings
from django.urls import reverse
from icalendar import Calendar

from annotator.models import (
    FeedbackSession,
    Judge,
    Notification,
    NotificationKind,
    Preferences,
    Trace,
    User,
)
from annotator.services import notifications, session_clock, session_mail, session_states
from annotator.services.mail_texts import calendar_file
from annotator.services.opt_out import off_token, switch
from annotator.services.session_changes import extend
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

NOW = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)  # a Tuesday
HOUR = timedelta(hours=1)
Status = Notification.Status


@pytest.fixture
def judge(lena: User) -> Judge:
    return create_judge(experiment=create_experiment(team=create_team(name="Support")), actor=lena)


@pytest.fixture
def traces(judge: Judge) -> list[Trace]:
    return [create_trace(experiment=judge.experiment) for _ in range(4)]


@pytest.fixture
def bob(lena: User) -> User:
    return create_user(
        username="bob", team=create_team(name="Support"), email="bob@example.org", first_name="Bob"
    )


@pytest.fixture
def session(judge: Judge, traces: list[Trace], bob: User, lena: User) -> FeedbackSession:
    """Planned from ten to eighteen o'clock, in Berlin's time."""
    return create_session(
        judge=judge,
        reviewers=[bob],
        traces=traces,
        actor=lena,
        now=NOW,
        name="Tone of the answers",
        opens_at=NOW + HOUR,
        closes_at=NOW + 9 * HOUR,
        time_zone="Europe/Berlin",
        note="Mind the new guideline.",
    )


def subjects() -> list[str]:
    return [str(each.subject) for each in mail.outbox]


def event_of(calendar: Any) -> Any:
    """The only event of a calendar file."""
    return Calendar.from_ical(calendar).events[0]


def test_an_invitation_has_one_sentence_one_button_and_a_calendar_file(session, bob):
    notifications.send_due(now=NOW)

    sent: Any = mail.outbox
    (invitation,) = sent
    assert invitation.to == ["bob@example.org"]
    assert invitation.subject == "Feedback session: Tone of the answers"
    assert "You have 4 items to review" in invitation.body
    assert "Tuesday 03 March, 11:00 (Europe/Berlin)" in invitation.body
    html = str(invitation.alternatives[0][0])
    assert html.count(f"/sessions/{session.pk}/") == 1
    assert "Open the session</a>" in " ".join(html.split()).replace(" </a>", "</a>")
    name, content, kind = invitation.attachments[0]
    assert (name, kind) == ("session.ics", "text/calendar; method=REQUEST")
    event = event_of(content)
    assert event.start == NOW + HOUR
    assert event.end == NOW + 9 * HOUR
    assert event.start.tzinfo is not None
    assert str(event["summary"]) == "Feedback: Tone of the answers"


def test_another_time_replaces_the_entry_in_the_calendar(session, bob, lena):
    first = event_of(calendar_file(session, bob))

    extend(actor=lena, session=session, closes_at=NOW + 30 * HOUR, now=NOW)
    notifications.send_due(now=NOW)

    second = event_of(mail.outbox[-1].attachments[0][1])
    assert second["uid"] == first["uid"]
    assert second["sequence"] > first["sequence"]
    assert second.end == NOW + 30 * HOUR


def test_a_called_off_session_is_taken_out_of_the_calendar(session, lena):
    notifications.send_due(now=NOW)
    session_states.cancel_session(actor=lena, session=session, now=NOW)
    notifications.send_due(now=NOW)

    calendar: Any = Calendar.from_ical(str(mail.outbox[-1].attachments[0][1]))
    assert str(calendar["method"]) == "CANCEL"
    assert str(calendar.events[0]["status"]) == "CANCELLED"


def test_the_day_of_a_session_is_told_once_however_often_one_looks(session):
    for minutes in range(0, 10 * 60, 20):
        for _ in range(2):
            session_clock.tick(now=NOW + timedelta(minutes=minutes))

    # All of it would come too late in the mail of the next morning.
    assert subjects() == [
        "Feedback session: Tone of the answers",
        "Open now: Tone of the answers",
        "Half the time is over: Tone of the answers",
        "Last hour: Tone of the answers",
    ]


def test_who_has_done_everything_is_reminded_of_nothing(session, judge, traces, bob):
    session_clock.tick(now=NOW + HOUR)
    for trace in traces:
        answer(
            user=bob,
            assignment=assignment_of(user=bob, session=session, trace=trace),
            judge=judge,
            now=NOW + 2 * HOUR,
        )
    session_clock.tick(now=NOW + 8.5 * HOUR)

    kinds = set(Notification.objects.values_list("kind", flat=True))
    assert kinds == {"SCHEDULED", "OPENED"}


def test_a_session_without_reminders_sends_none(session, lena):
    FeedbackSession.objects.update(reminders=False)

    session_clock.tick(now=NOW + HOUR)
    session_clock.tick(now=NOW + 8.5 * HOUR)

    assert not Notification.objects.filter(kind__in=["HALF_TIME", "LAST_HOUR"]).exists()


@pytest.fixture
def later(judge: Judge, traces: list[Trace], bob: User, lena: User) -> FeedbackSession:
    """Planned for the day after tomorrow and the one after that."""
    return create_session(
        judge=judge,
        reviewers=[bob],
        traces=traces,
        actor=lena,
        now=NOW,
        name="Later",
        opens_at=NOW + 48 * HOUR,
        closes_at=NOW + 80 * HOUR,
    )


TOMORROW = datetime(2026, 3, 4, 8, 0, tzinfo=UTC)


def test_what_is_not_urgent_comes_in_one_digest(later, bob):
    for number in range(3):
        session_mail.tell_moved(later, {bob: 2}, now=NOW + number * HOUR)

    assert notifications.send_due(now=TOMORROW - HOUR) == 0
    assert notifications.send_due(now=TOMORROW) == 1

    digest = mail.outbox[-1]
    assert digest.subject == "4 things that happened"
    assert digest.body.count("2 items came to your batch") == 3
    assert notifications.send_due(now=TOMORROW + HOUR) == 0


def test_an_invitation_in_a_digest_carries_its_calendar_file(later, judge, traces, bob, lena):
    create_session(
        judge=judge,
        reviewers=[bob],
        traces=traces,
        actor=lena,
        now=NOW,
        opens_at=NOW + 50 * HOUR,
        closes_at=NOW + 80 * HOUR,
    )
    notifications.send_due(now=TOMORROW)

    (digest,) = mail.outbox
    files = {event_of(content).start for _, content, _ in digest.attachments}
    assert files == {NOW + 48 * HOUR, NOW + 50 * HOUR}


def test_an_invitation_to_what_opens_before_the_next_digest_goes_at_once(session, later):
    assert notifications.send_due(now=NOW) == 1
    assert subjects() == ["Feedback session: Tone of the answers"]


def test_a_digest_is_not_torn_however_much_is_due(later, bob, monkeypatch):
    monkeypatch.setattr(notifications, "AT_ONCE", 2)
    for number in range(5):
        session_mail.tell_moved(later, {bob: 2}, now=NOW + number * HOUR)

    assert notifications.send_due(now=TOMORROW) == 1
    assert mail.outbox[-1].subject == "6 things that happened"


def test_another_time_before_the_invitation_went_out_makes_one_invitation(later, bob, lena):
    extend(actor=lena, session=later, closes_at=NOW + 90 * HOUR, now=NOW + HOUR)
    notifications.send_due(now=TOMORROW)

    (invitation,) = mail.outbox
    assert invitation.subject == "Feedback session: Later"
    assert "Saturday 07 March, 03:00" in invitation.body


def test_who_was_not_invited_yet_is_not_told_that_it_is_called_off(later, lena):
    session_states.cancel_session(actor=lena, session=later, now=NOW + HOUR)

    assert notifications.send_due(now=TOMORROW) == 0


def test_a_running_session_that_is_called_off_is_told_at_once(later, lena):
    notifications.send_due(now=TOMORROW)
    session_clock.tick(now=NOW + 49 * HOUR)
    session_states.cancel_session(actor=lena, session=later, now=NOW + 50 * HOUR)
    notifications.send_due(now=NOW + 50 * HOUR)

    assert subjects()[-1] == "Cancelled: Later"


def test_what_means_nothing_after_the_quiet_hours_is_not_sent(session, bob):
    notifications.send_due(now=NOW)
    Preferences.objects.create(user=bob, quiet_from="09:00", quiet_until="23:00")
    session_clock.tick(now=NOW + HOUR)
    session_clock.tick(now=NOW + 8.5 * HOUR)
    session_clock.tick(now=NOW + 14 * HOUR)

    assert subjects() == ["Feedback session: Tone of the answers"]
    told = dict(Notification.objects.values_list("kind", "status"))
    assert told["LAST_HOUR"] == Status.OUTDATED
    assert told["OPENED"] == Status.OUTDATED


def test_who_wants_a_kind_at_once_gets_it_at_once(later, bob):
    Preferences.objects.create(user=bob, timing={"MOVED": "AT_ONCE"})
    session_mail.tell_moved(later, {bob: 2}, now=NOW)

    assert notifications.send_due(now=NOW) == 1


def test_who_wants_a_kind_in_the_digest_gets_it_there_unless_it_would_come_too_late(later, bob):
    Preferences.objects.create(user=bob, timing={"OPENED": "DIGEST", "LAST_HOUR": "DIGEST"})
    notifications.send_due(now=TOMORROW)
    session_clock.tick(now=NOW + 48 * HOUR)
    assert subjects() == ["Feedback session: Later"]
    session_clock.tick(now=NOW + 79.5 * HOUR)
    assert "Last hour: Later" in subjects()


def test_nothing_goes_out_in_quiet_hours(later, bob):
    Preferences.objects.create(user=bob, time_zone="Asia/Tokyo", timing={"SCHEDULED": "NEVER"})
    session_mail.remind(later, [bob], now=NOW + 3 * HOUR)  # 21:00 there

    notifications.send_due(now=NOW + 12 * HOUR)
    assert mail.outbox == []
    notifications.send_due(now=NOW + 13 * HOUR)  # 7:00 there
    assert subjects() == ["Reminder: Later"]


def test_what_somebody_switched_off_is_not_told(session, bob):
    switch(user=bob, kind=NotificationKind.OPENED, is_on=False)

    session_clock.tick(now=NOW + HOUR)

    assert "Open now: Tone of the answers" not in subjects()
    assert Notification.objects.get(kind="OPENED").status == Status.UNWANTED


def test_what_is_switched_off_after_it_was_noted_is_not_told_either(session, bob):
    switch(user=bob, kind=NotificationKind.SCHEDULED, is_on=False)

    notifications.send_due(now=NOW)

    assert mail.outbox == []
    assert Notification.objects.get().status == Status.UNWANTED


def test_the_link_in_a_mail_switches_its_kind_off_without_signing_in(session, bob):
    notifications.send_due(now=NOW)
    client = Client(enforce_csrf_checks=True)
    address = reverse("notification-off", args=[off_token(bob, "SCHEDULED")])
    assert address in mail.outbox[0].body

    assert "No more e-mails to Bob" in client.get(address).content.decode()
    assert not Preferences.objects.exists()
    client.post(address)

    assert Preferences.objects.get(user=bob).timing == {"SCHEDULED": "NEVER"}
    assert client.get(reverse("notification-off", args=["forged"])).status_code == 404


def test_who_has_no_address_is_said_to_have_none(judge, traces, alice):
    create_session(judge=judge, reviewers=[alice], traces=traces)

    assert set(Notification.objects.values_list("status", flat=True)) == {Status.NO_ADDRESS}


def test_a_mail_server_that_is_away_delays_and_loses_nothing(session, bob):
    smtp = "django.core.mail.backends.smtp.EmailBackend"
    with override_settings(EMAIL_BACKEND=smtp, EMAIL_HOST="127.0.0.1", EMAIL_PORT=1):
        assert notifications.send_due(now=NOW) == 0

    row = Notification.objects.get()
    assert row.status == Status.WAITING
    assert "ConnectionRefusedError" in row.problem
    assert notifications.send_due(now=NOW + HOUR) == 1


def test_what_was_claimed_by_somebody_who_died_is_not_sent_again(session):
    Notification.objects.update(status=Status.CLAIMED, claimed_at=NOW)

    assert notifications.send_due(now=NOW + HOUR) == 0
    assert mail.outbox == []


def test_leads_hear_of_a_finished_run_once(judge, lena, alice):
    from tests.annotator.run_rows import finished_run

    finished_run(judge, finished_at=NOW)

    for _ in range(2):
        session_clock.tell_of_runs(now=NOW + HOUR)

    assert list(Notification.objects.values_list("user__username", flat=True)) == ["lena"]


def test_telling_twice_at_once_notes_one(session, bob):
    tell = partial(session_mail.tell_opened, session, now=NOW)

    assert (tell(), tell()) == (1, 0)
