"""The mails themselves: one sentence and one button each, as text and as HTML, with a calendar file where there is a date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from icalendar import Calendar, Event

from annotator.models import FeedbackSession, Notification, NotificationKind, SessionStatus, User
from annotator.services.opt_out import off_token

_WITH_DATE = (NotificationKind.SCHEDULED, NotificationKind.OPENED, NotificationKind.CHANGED)


def single_mail(notification: Notification) -> EmailMultiAlternatives:
    """A mail about one thing."""
    mail = _mail(
        user=notification.user,
        subject=notification.subject,
        context={
            "sentence": notification.sentence,
            "button": notification.button,
            "address": _address(notification.path),
        },
        off=_off_address(notification.user, notification.kind),
    )
    _attach_calendars(mail, [notification])
    return mail


def digest_mail(notifications: Sequence[Notification]) -> EmailMultiAlternatives:
    """A mail about several things: a line each, and one button to the first page."""
    first = notifications[0]
    mail = _mail(
        user=first.user,
        subject=f"{len(notifications)} things that happened",
        context={
            "sentence": "This happened since the last mail:",
            "lines": [
                {"sentence": each.sentence, "address": _address(each.path)}
                for each in notifications
            ],
            "button": "Open Annotator",
            "address": _address("/"),
        },
        off=_address(reverse("settings-notifications")),
    )
    _attach_calendars(mail, notifications)
    return mail


def calendar_file(session: FeedbackSession, user: User, *, method: str = "PUBLISH") -> bytes:
    """The session's window as an iCalendar file for one reviewer; a later one replaces an earlier.

    Args:
        session: It has a window.
        user: Whose calendar it goes into.
        method: PUBLISH for a file to download, REQUEST for an invitation, CANCEL to take it back.
    """
    if session.opens_at is None or session.closes_at is None:
        raise ValueError(f"Session {session.pk} has no window yet.")
    own_end = session.reviewers.filter(user=user).values_list("closes_at", flat=True).first()
    closes_at = session.closes_for(own_end) or session.closes_at
    host = urlsplit(settings.SITE_URL).hostname or "annotator"
    calendar, event = Calendar(), Event()
    calendar.add("prodid", "-//Annotator//Feedback sessions//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method)
    event.add("uid", f"session-{session.pk}-{user.pk}@{host}")
    event.add("sequence", session.revision)
    event.add("dtstamp", session.created_at.astimezone(UTC))
    event.add("dtstart", session.opens_at.astimezone(session.zone))
    event.add("dtend", closes_at.astimezone(session.zone))
    event.add("summary", f"Feedback: {session.name}")
    event.add("url", _address(session_path(session)))
    event.add("status", "CANCELLED" if method == "CANCEL" else "CONFIRMED")
    if method != "PUBLISH":
        event.add("organizer", f"mailto:{settings.DEFAULT_FROM_EMAIL}")
        event.add("attendee", f"mailto:{user.email}")
    if session.note:
        event.add("description", session.note)
    calendar.add_component(event)
    calendar.add_missing_timezones()
    return bytes(calendar.to_ical())


def session_path(session: FeedbackSession) -> str:
    """Where a session is for whoever opens it: the reviewer's batch, the lead's board."""
    return reverse("session-detail", args=[session.pk])


def _mail(
    *, user: User, subject: str, context: dict[str, object], off: str
) -> EmailMultiAlternatives:
    context = {**context, "off": off, "person": str(user)}
    mail = EmailMultiAlternatives(
        subject=" ".join(subject.split()),
        body=render_to_string("mail/message.txt", context),
        to=[user.email],
        headers={"List-Unsubscribe": f"<{off}>", "Auto-Submitted": "auto-generated"},
    )
    mail.attach_alternative(render_to_string("mail/message.html", context), "text/html")
    return mail


def _attach_calendars(mail: EmailMultiAlternatives, notifications: Sequence[Notification]) -> None:
    """A calendar file for each session whose time is told; it says how things are now."""
    sessions = {
        each.session.pk: each.session
        for each in notifications
        if each.kind in _WITH_DATE and each.session is not None
    }
    for session in sessions.values():
        method = "CANCEL" if session.status == SessionStatus.CANCELLED else "REQUEST"
        calendar = calendar_file(session, notifications[0].user, method=method)
        name = "session.ics" if len(sessions) == 1 else f"session-{session.pk}.ics"
        mail.attach(name, calendar, f"text/calendar; method={method}")


def _off_address(user: User, kind: str) -> str:
    return _address(reverse("notification-off", args=[off_token(user, kind)]))


def _address(path: str) -> str:
    return settings.SITE_URL.rstrip("/") + path
