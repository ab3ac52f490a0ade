"""Telling people by e-mail: first a row with a key of its own, then the mail, so that nothing is told twice.

A row is claimed by a conditional UPDATE before its mail goes out. A worker that dies in between leaves it claimed: one mail
less is better than the same one twice, and the lead sees it in the list.
"""

from __future__ import annotations

import logging
import smtplib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.mail import get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import QuerySet
from django.utils import timezone

from annotator.mail_times import due_at
from annotator.models import (
    FeedbackSession,
    Notification,
    NotificationKind,
    Preferences,
    Timing,
    User,
)
from annotator.services.mail_texts import digest_mail, single_mail

logger = logging.getLogger(__name__)

AT_ONCE = 200
AGAIN_AFTER = timedelta(minutes=5)
Status = Notification.Status


@dataclass(frozen=True, kw_only=True)
class Message:
    """Something to tell: one sentence and one button.

    Attributes:
        user: Whom.
        kind: What it is about; people switch kinds off.
        key: Names the event and the person; told once.
        subject: The mail's subject.
        sentence: What happened.
        button: What the button says.
        path: Where it leads, within the site.
        session: The session it is about.
        before: Until when it has to be told; with the mail of the day only where that comes earlier. None: whenever.
        until: After which it means nothing any more and is not sent. None: never.
    """

    user: User
    kind: NotificationKind
    key: str
    subject: str
    sentence: str
    button: str
    path: str
    session: FeedbackSession | None = None
    before: datetime | None = None
    until: datetime | None = None


def tell(messages: Iterable[Message], *, now: datetime | None = None) -> int:
    """Note what to tell, as each person wants it; how many messages were new.

    Call it in the transaction of what happened: both stand or neither does.
    """
    now = now or timezone.now()
    messages = list(messages)
    told = set(
        Notification.objects.filter(key__in=[each.key for each in messages]).values_list(
            "key", flat=True
        )
    )
    new = [each for each in messages if each.key not in told]
    settings = _preferences([each.user for each in new])
    Notification.objects.bulk_create(
        [_row(each, settings[each.user.pk], now) for each in new], ignore_conflicts=True
    )
    return len(new)


def send_due(*, now: datetime | None = None, kinds: Collection[str] = ()) -> int:
    """Send what is due: each immediate message by itself, the rest of each person in one digest; how many mails went out.

    Args:
        kinds: Only things of these kinds; none of them stands for all.
    """
    now = now or timezone.now()
    waiting = Notification.objects.filter(status=Status.WAITING, due_at__lte=now)
    if kinds:
        waiting = waiting.filter(kind__in=kinds)
    waiting.filter(until__lte=now).update(status=Status.OUTDATED)
    first = waiting.order_by("due_at", "pk").values_list("user", flat=True)[:AT_ONCE]
    # All of a person's, so that a long list is not torn into two digests.
    due = list(
        waiting.filter(user__in=set(first))
        .select_related("user", "session")
        .order_by("due_at", "pk")
    )
    if not due:
        return 0
    connection = get_connection()
    try:
        connection.open()
    except OSError as error:  # nothing was claimed or sent: the next look tries again
        logger.warning("The mail server cannot be reached: %s", error)
        Notification.objects.filter(pk__in=[row.pk for row in due], status=Status.WAITING).update(
            due_at=now + AGAIN_AFTER, problem=_short(error)
        )
        return 0
    settings = _preferences([row.user for row in due])
    sent = 0
    try:
        for rows in _mails(due):
            sent += _send(rows, settings[rows[0].user_id], connection, now)
    finally:
        connection.close()
    return sent


def drop_unsent(
    session: FeedbackSession, kinds: Collection[str], *, users: Collection[int]
) -> set[int]:
    """Do not send these people (by pk) what still waits to be told of a session; to whom something would have gone."""
    waiting = Notification.objects.filter(
        session=session, kind__in=kinds, user__in=users, status=Status.WAITING
    )
    found = dict(waiting.values_list("pk", "user_id"))
    # Somebody may claim one meanwhile: each is dropped only as long as it waits.
    return {
        user for pk, user in found.items() if waiting.filter(pk=pk).update(status=Status.OUTDATED)
    }


def _row(message: Message, preferences: Preferences, now: datetime) -> Notification:
    timing = preferences.timing_of(message.kind)
    status = Status.WAITING
    if timing == Timing.NEVER:
        status = Status.UNWANTED
    elif not message.user.email:
        status = Status.NO_ADDRESS

    def due(*, at_once: bool) -> datetime:
        return due_at(
            now,
            is_immediate=at_once,
            zone=preferences.zone,
            digest_at=preferences.digest_at,
            quiet_from=preferences.quiet_from,
            quiet_until=preferences.quiet_until,
        )

    with_digest = due(at_once=False)
    too_late = message.before is not None and message.before <= with_digest
    at_once = timing == Timing.AT_ONCE or too_late
    return Notification(
        user=message.user,
        kind=message.kind,
        key=message.key,
        session=message.session,
        subject=message.subject[:200],
        sentence=message.sentence[:500],
        button=message.button[:60],
        path=message.path,
        status=status,
        created_at=now,
        at_once=at_once,
        due_at=due(at_once=True) if at_once else with_digest,
        until=message.until,
    )


def _mails(due: Sequence[Notification]) -> list[list[Notification]]:
    mails: list[list[Notification]] = []
    digests: dict[int, list[Notification]] = defaultdict(list)
    for row in due:
        if row.at_once:
            mails.append([row])
        else:
            digests[row.user_id].append(row)
    return [*mails, *digests.values()]


def _send(
    rows: Sequence[Notification],
    preferences: Preferences,
    connection: BaseEmailBackend,
    now: datetime,
) -> int:
    """One mail about these rows, as far as nobody else has claimed them; 1 when it went out."""
    claimed = [row for row in rows if _claim(row, preferences, now)]
    if not claimed:
        return 0
    mail = single_mail(claimed[0]) if len(claimed) == 1 else digest_mail(claimed)
    mail.connection = connection
    mine = Notification.objects.filter(pk__in=[row.pk for row in claimed])
    try:
        mail.send()
    except (smtplib.SMTPException, OSError) as error:
        logger.warning("A mail to %s could not be sent: %s", claimed[0].user, error)
        mine.update(status=Status.FAILED, problem=_short(error))
        return 0
    mine.update(status=Status.SENT, sent_at=timezone.now())
    return 1


def _claim(row: Notification, preferences: Preferences, now: datetime) -> bool:
    waiting: QuerySet[Notification] = Notification.objects.filter(pk=row.pk, status=Status.WAITING)
    if preferences.timing_of(row.kind) == Timing.NEVER:  # switched off since
        waiting.update(status=Status.UNWANTED)
        return False
    return bool(waiting.update(status=Status.CLAIMED, claimed_at=now))


def _preferences(users: Sequence[User]) -> dict[int, Preferences]:
    found = {
        each.user_id: each
        for each in Preferences.objects.filter(user__in={user.pk for user in users})
    }
    return {user.pk: found.get(user.pk) or Preferences(user=user) for user in users}


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]
