"""What time does to sessions: opened, ended, closed; holds that went silent; reminders. Looked at again and again.

Each step is a conditional UPDATE or a row with a unique key, so that it happens once, whoever looks and however often, and
so that a worker that dies in the middle leaves the rest to the next look.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.urls import reverse
from django.utils import timezone

from annotator.models import (
    AlignmentRun,
    FeedbackSession,
    Goal,
    Membership,
    NotificationKind,
    Role,
    SessionStatus,
    WorkStatus,
)
from annotator.services import (
    assignments,
    drift,
    notifications,
    session_mail,
    session_states,
    standing_rules,
)
from annotator.services.notifications import Message

_TELL_OF_RUNS_FOR = timedelta(days=1)


def tick(*, now: datetime | None = None) -> None:
    """Do what is due. Safe to call twice, and at the same moment."""
    now = now or timezone.now()
    move_on(now=now)
    assignments.give_back_silent(now=now)
    standing_rules.make_due(now=now)
    remind(now=now)
    tell_of_runs(now=now)
    notifications.send_due(now=now)


def move_on(*, now: datetime) -> None:
    """Open, end, close and settle the sessions whose time has come, each step by itself, so that one who waits blocks none."""
    sessions = FeedbackSession.objects.order_by("opens_at", "pk")
    for session in sessions.filter(status=SessionStatus.SCHEDULED, opens_at__lte=now):
        session_states.open_session(session=session, now=now)
    for session in sessions.filter(status=SessionStatus.OPEN, closes_at__lte=now):
        session_states.begin_grace(session=session, now=now)
    for session in sessions.filter(status=SessionStatus.GRACE, closes_at__lte=now):
        longer = session.reviewers.filter(removed_at=None, closes_at__gt=now).exists()
        if longer:
            session_states.free_the_rest(session=session, now=now)
        if longer or session.ends_at is None or session.ends_at > now:
            continue
        if session_states.close_session(session=session, now=now) and session.goal == Goal.DRIFT:
            for each in session.session_judges.select_related("judge__current_version"):
                drift.look(judge=each.judge, now=now)
    for session in session_states.settled_by_now():
        session_states.settle_session(actor=None, session=session, now=now)


def remind(*, now: datetime) -> None:
    """Tell who has done nothing at half time, and who has items left in the last hour."""
    running = FeedbackSession.objects.running().filter(reminders=True, opens_at__lte=now)
    for session in running.select_related("experiment"):
        if session.opens_at is None or session.closes_at is None:
            continue  # the database has no such row
        length = session.closes_at - session.opens_at
        is_half = session.opens_at + length / 2 <= now < session.closes_at
        # A session that is shorter than two reminders is reminded of by its opening alone.
        if length > 2 * session_mail.LAST_PART and is_half:
            session_mail.tell_half_time(session, now=now)
        if length > session_mail.LAST_PART:
            session_mail.tell_last_hour(session, now=now)


def tell_of_runs(*, now: datetime) -> None:
    """Tell leads and admins what came of the alignment runs that finished of late."""
    ended = AlignmentRun.objects.filter(
        finished_at__gte=now - _TELL_OF_RUNS_FOR,
        status__in=(WorkStatus.SUCCEEDED, WorkStatus.FAILED),
    ).select_related("judge__experiment")
    for run in ended:
        leads = Membership.objects.filter(
            team=run.judge.experiment.team_id,
            role__in=(Role.LEAD, Role.ADMIN),
            user__is_active=True,
        ).select_related("user")
        notifications.tell(
            (
                Message(
                    user=member.user,
                    kind=NotificationKind.RUN_FINISHED,
                    key=f"run {run.pk} {member.user_id}",
                    subject=f"Alignment of {run.judge.name} finished",
                    sentence=f"An alignment run of {run.judge.name} has {'finished' if run.status == WorkStatus.SUCCEEDED else 'failed'}.",
                    button="Open the run",
                    path=reverse("run-detail", args=[run.pk]),
                )
                for member in leads
            ),
            now=now,
        )
