"""What reviewers are told about sessions. Each function only writes rows; `notifications` sends them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db.models import Count

from annotator.models import (
    WAITING,
    Assignment,
    AssignmentState,
    FeedbackSession,
    Notification,
    NotificationKind,
    Reviewer,
    User,
)
from annotator.services.mail_texts import session_path
from annotator.services.notifications import Message, drop_unsent, tell

LAST_PART = timedelta(hours=1)


def announce(session: FeedbackSession, *, now: datetime, to: Iterable[User] | None = None) -> int:
    """Invite the reviewers, with a calendar file."""
    users = _reviewers(session) if to is None else list(to)
    batches = waiting_items(session)
    return tell(
        (invitation(session, user, items=batches.get(user.pk, 0)) for user in users), now=now
    )


def invitation(session: FeedbackSession, user: User, *, items: int) -> Message:
    """What a reviewer with so many items is told when the session is scheduled."""
    revision = f" {session.revision}" if session.revision else ""
    return _message(
        session,
        user,
        NotificationKind.SCHEDULED,
        key=f"scheduled {session.pk} {user.pk}{revision}",
        subject=f"Feedback session: {session.name}",
        sentence=f"You have {_items(items)} to review in “{session.name}”, {_window(session)}.",
        button="Open the session",
        before=session.opens_at,
        until=session.ends_at,
    )


def call_off(session: FeedbackSession, *, now: datetime, to: Iterable[User] | None = None) -> int:
    """Tell the reviewers that it does not take place, or not with them; who had not been invited yet is not told."""
    users = _reviewers(session) if to is None else list(to)
    pks = {user.pk for user in users}
    uninvited = drop_unsent(session, [NotificationKind.SCHEDULED], users=pks)
    drop_unsent(session, NotificationKind.values, users=pks)
    return tell(
        (
            _message(
                session,
                user,
                NotificationKind.CHANGED,
                key=f"cancelled {session.pk} {user.pk}",
                subject=f"Cancelled: {session.name}",
                sentence=f"“{session.name}” was cancelled; what you have answered is kept.",
                button="Open Annotator",
                path="/",
                before=max(session.opens_at or now, now),
            )
            for user in users
            if user.pk not in uninvited
        ),
        now=now,
    )


def tell_time(session: FeedbackSession, *, now: datetime, ended_at: datetime | None) -> int:
    """Tell the reviewers of another window, with a calendar file that replaces the earlier one.

    Who has not been told of the earlier one yet is invited with the new one instead.

    Args:
        ended_at: When it would have ended before.
    """
    users = _reviewers(session)
    pks = {user.pk for user in users}
    uninvited = drop_unsent(session, [NotificationKind.SCHEDULED], users=pks)
    drop_unsent(session, [NotificationKind.CHANGED], users=pks)
    announce(session, now=now, to=[user for user in users if user.pk in uninvited])
    return tell(
        (
            _message(
                session,
                user,
                NotificationKind.CHANGED,
                key=f"time {session.pk} {session.revision} {user.pk}",
                subject=f"New time: {session.name}",
                sentence=f"“{session.name}” is now {_window(session)}.",
                button="Open the session",
                before=min(filter(None, (ended_at, session.closes_at)), default=None),
                until=session.ends_at,
            )
            for user in users
            if user.pk not in uninvited
        ),
        now=now,
    )


def tell_own_time(session: FeedbackSession, reviewers: Iterable[Reviewer], *, now: datetime) -> int:
    """Tell reviewers of an end of their own, or that the session's end holds for them again."""
    return tell(
        (
            _message(
                session,
                each.user,
                NotificationKind.CHANGED,
                key=f"own time {session.pk} {session.revision} {each.user_id}",
                subject=f"New time for you: {session.name}",
                sentence=f"You can answer in “{session.name}” until {_time(session, session.closes_for(each.closes_at))}.",
                button="Open the session",
                before=session.closes_at,
                until=session.ends_for(each.closes_at),
            )
            for each in reviewers
        ),
        now=now,
    )


def tell_opened(session: FeedbackSession, *, now: datetime) -> int:
    """Tell the reviewers that they can begin; that stands for an invitation that has not gone out yet."""
    batches = waiting_items(session)
    told = tell(
        (opening(session, user, items=batches.get(user.pk, 0)) for user in _reviewers(session)),
        now=now,
    )
    opened = session.notifications.filter(
        kind=NotificationKind.OPENED, status=Notification.Status.WAITING
    )
    drop_unsent(
        session,
        [NotificationKind.SCHEDULED],
        users=set(opened.values_list("user_id", flat=True)),
    )
    return told


def opening(session: FeedbackSession, user: User, *, items: int) -> Message:
    """What a reviewer with so many items is told when the session opens."""
    return _message(
        session,
        user,
        NotificationKind.OPENED,
        key=f"opened {session.pk} {user.pk}",
        subject=f"Open now: {session.name}",
        sentence=f"“{session.name}” is open until {_time(session, session.closes_at)}, with {_items(items)} for you.",
        button="Start reviewing",
        before=session.closes_at,
        until=session.ends_at,
    )


def tell_half_time(session: FeedbackSession, *, now: datetime) -> int:
    """Tell those who have done nothing yet that half the time is over."""
    begun = Assignment.objects.filter(item__session=session).exclude(state=AssignmentState.TODO)
    idle = _reviewers(session, but=set(begun.values_list("reviewer_id", flat=True)))
    batches = waiting_items(session)
    return tell(
        (
            _message(
                session,
                user,
                NotificationKind.HALF_TIME,
                key=f"half time {session.pk} {session.revision} {user.pk}",
                subject=f"Half the time is over: {session.name}",
                sentence=f"Half the time of “{session.name}” is over and {_items(batches[user.pk])} wait for you.",
                button="Start reviewing",
                before=session.closes_at,
                until=session.closes_at,
            )
            for user in idle
            if batches.get(user.pk)
        ),
        now=now,
    )


def tell_last_hour(session: FeedbackSession, *, now: datetime) -> int:
    """Tell those who have items left that the last hour has begun, for each before the end that holds for them."""
    batches = waiting_items(session)
    ends = own_ends(session)
    last = {
        user.pk: session.closes_for(ends.get(user.pk))
        for user in _reviewers(session)
        if batches.get(user.pk)
    }
    return tell(
        (
            _message(
                session,
                user,
                NotificationKind.LAST_HOUR,
                key=f"last hour {session.pk} {end:%Y-%m-%d %H:%M} {user.pk}",
                subject=f"Last hour: {session.name}",
                sentence=f"“{session.name}” closes for you at {_time(session, end)}, and {_items(batches[user.pk])} wait.",
                button="Go on reviewing",
                before=end,
                until=end,
            )
            for user in _reviewers(session)
            if (end := last.get(user.pk)) and end - LAST_PART <= now < end
        ),
        now=now,
    )


def tell_moved(session: FeedbackSession, items: Mapping[User, int], *, now: datetime) -> int:
    """Tell people that so many items were added to their batches."""
    ends = own_ends(session)
    return tell(
        (
            _message(
                session,
                user,
                NotificationKind.MOVED,
                key=f"moved {session.pk} {user.pk} {now.isoformat()}",
                subject=f"More items: {session.name}",
                sentence=f"{_items(many)} came to your batch in “{session.name}”.",
                button="Open the session",
                before=session.closes_for(ends.get(user.pk)),
                until=session.ends_for(ends.get(user.pk)),
            )
            for user, many in items.items()
        ),
        now=now,
    )


def remind(session: FeedbackSession, users: Iterable[User], *, now: datetime) -> int:
    """Remind people who have items left, each at most once an hour; how many were."""
    batches, ends = waiting_items(session), own_ends(session)
    return tell(
        (
            _message(
                session,
                user,
                NotificationKind.REMINDER,
                key=f"reminder {session.pk} {user.pk} {now:%Y-%m-%d %H}",
                subject=f"Reminder: {session.name}",
                sentence=f"{_items(batches[user.pk])} of “{session.name}” wait for you until {_time(session, session.closes_for(ends.get(user.pk)))}.",
                button="Go on reviewing",
                before=session.closes_for(ends.get(user.pk)),
                until=session.ends_for(ends.get(user.pk)),
            )
            for user in users
            if batches.get(user.pk)
        ),
        now=now,
    )


def waiting_items(session: FeedbackSession) -> dict[int, int]:
    """How many items each reviewer (by the user's pk) still has to do in the session."""
    waiting = Assignment.objects.filter(
        item__session=session,
        state__in=WAITING,
        given_back_at=None,
        reviewer__removed_at=None,
    )
    return dict(waiting.order_by().values_list("reviewer__user").annotate(Count("pk")))


def own_ends(session: FeedbackSession) -> dict[int, datetime]:
    """The ends of those reviewers (by the user's pk) who have one of their own."""
    longer = session.reviewers.filter(removed_at=None, closes_at__isnull=False)
    return {each.user_id: each.closes_at for each in longer if each.closes_at}


def _reviewers(session: FeedbackSession, *, but: Iterable[int] = ()) -> list[User]:
    reviewers = Reviewer.objects.filter(session=session, removed_at=None, user__is_active=True)
    found = reviewers.exclude(pk__in=but).select_related("user").order_by("pk")
    return [reviewer.user for reviewer in found]


def _message(
    session: FeedbackSession,
    user: User,
    kind: NotificationKind,
    *,
    key: str,
    subject: str,
    sentence: str,
    button: str,
    path: str = "",
    before: datetime | None = None,
    until: datetime | None = None,
) -> Message:
    return Message(
        user=user,
        kind=kind,
        key=key,
        subject=subject,
        sentence=sentence,
        button=button,
        path=path or session_path(session),
        session=session,
        before=before,
        until=until,
    )


def _window(session: FeedbackSession) -> str:
    return f"from {_time(session, session.opens_at)} to {_time(session, session.closes_at)}"


def _time(session: FeedbackSession, at: datetime | None) -> str:
    if at is None:
        return "a time to be told"
    return f"{at.astimezone(session.zone):%A %d %B, %H:%M} ({session.time_zone})"


def _items(many: int) -> str:
    return "one item" if many == 1 else f"{many} items"
