"""More time for some of a session's reviewers; for everybody else it ends as it was planned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from annotator.models import RUNNING, FeedbackSession, Reviewer, SessionStatus, User
from annotator.services import session_mail
from annotator.services.session_checks import SessionError
from annotator.services.session_states import record
from annotator.services.sessions import lock_session


def give_more_time(
    *,
    actor: User,
    session: FeedbackSession,
    reviewers: Sequence[Reviewer],
    closes_at: datetime | None,
    now: datetime | None = None,
) -> int:
    """Let these reviewers answer until then; how many of them had another end before.

    The session stays in its extra time until the last of them has ended.

    Args:
        closes_at: Later than the session's own end; None takes back what was given before.

    Raises:
        SessionError: when the time is not later than the session's, or the session is not announced or is over.
    """
    now = now or timezone.now()
    with transaction.atomic():
        lock_session(session)
        if session.status not in (SessionStatus.SCHEDULED, *RUNNING):
            raise SessionError(
                f"“{session.name}” is {session.get_status_display().lower()}; more time is given while it is scheduled or open."
            )
        ends_at = session.closes_at if session.status != SessionStatus.GRACE else session.ends_at
        if closes_at is not None and (closes_at <= now or (ends_at and closes_at <= ends_at)):
            raise SessionError(
                "Choose a time that is later than the end that the session has for everybody.",
                field="closes_at",
            )
        changed = [
            each for each in reviewers if each.removed_at is None and each.closes_at != closes_at
        ]
        if not changed:
            return 0
        Reviewer.objects.filter(pk__in=[each.pk for each in changed]).update(closes_at=closes_at)
        # Calendars take the entry with the higher number.
        session.revision += 1
        session.save(update_fields=["revision"])
        record(
            actor,
            "gave more time in" if closes_at else "took back more time in",
            session,
            before={each.user.username: _text(each.closes_at) for each in changed},
            after={each.user.username: _text(closes_at) for each in changed},
        )
        for each in changed:
            each.closes_at = closes_at
        session_mail.tell_own_time(session, changed, now=now)
    return len(changed)


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
