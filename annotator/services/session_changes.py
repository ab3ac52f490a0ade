"""What a lead changes while a session runs: people, overlap, time; items released and moved; reminders.

People and overlap are changed in two steps: `preview_change` says what would become of the batches, `change_session` does it
in one transaction, from the state it finds then. What was begun or done stays where it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from annotator import handout
from annotator.models import (
    RUNNING,
    WAITING,
    Assignment,
    AssignmentState,
    FeedbackSession,
    Item,
    Reviewer,
    SessionStatus,
    User,
)
from annotator.models.sessions import MOST_OVERLAP
from annotator.services import session_mail
from annotator.services.session_checks import MOST_GRACE_MINUTES, SessionError
from annotator.services.session_division import (
    divided,
    store_items,
    store_people,
    store_places,
)
from annotator.services.session_states import record
from annotator.services.sessions import check_reviewers, lock_session

_CHANGEABLE = (SessionStatus.SCHEDULED, *RUNNING)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What becomes of the batches.

    Attributes:
        plan: Who has which items then, by the user's pk and the item's pk; `added` and `dropped` tell the difference.
        kept: How many places stay that were begun or done.
        joined: People who come in.
        left: People who go out; what they did stays.
    """

    plan: handout.HandOut
    kept: int
    joined: tuple[User, ...]
    left: tuple[User, ...]


def preview_change(
    session: FeedbackSession,
    *,
    overlap: int | None = None,
    rooms: Mapping[User, int | None] | None = None,
) -> Change:
    """What `change_session` would do now. Nothing is written.

    Args:
        session: Announced, and not over.
        overlap: How many people answer each item that is not shared; None leaves it.
        rooms: All who review from then on, with room for so many items each (None: the session's number); None leaves it.

    Raises:
        SessionError: when the change cannot be made.
    """
    _check_changeable(session)
    return _planned(session, overlap, rooms)[0]


def change_session(
    *,
    actor: User,
    session: FeedbackSession,
    overlap: int | None = None,
    rooms: Mapping[User, int | None] | None = None,
    now: datetime | None = None,
) -> Change:
    """Change people or overlap, and divide anew what nobody has begun. Arguments and errors as `preview_change`."""
    now = now or timezone.now()
    with transaction.atomic():
        lock_session(session)
        _check_changeable(session)
        # All items at once and in order: whoever submits or takes one waits, and is counted when it is divided.
        list(session.items.order_by("pk").select_for_update(no_key=True).values_list("pk"))
        change, new_overlap = _planned(session, overlap, rooms)
        store_people(session, rooms, left=change.left, now=now)
        if new_overlap != session.overlap:
            record(
                actor,
                "changed",
                session,
                before={"overlap": session.overlap},
                after={"overlap": new_overlap},
            )
            session.overlap = new_overlap
            session.save(update_fields=["overlap"])
        store_items(session)
        added = store_places(session, change.plan, now)
        record(
            actor,
            "divided anew",
            session,
            after={
                "added": len(change.plan.added),
                "dropped": len(change.plan.dropped),
                "joined": [user.username for user in change.joined],
                "left": [user.username for user in change.left],
            },
        )
        session_mail.announce(session, now=now, to=change.joined)
        session_mail.call_off(session, now=now, to=change.left)
        joined = {user.pk for user in change.joined}
        session_mail.tell_moved(
            session,
            {user: many for user, many in added.items() if user.pk not in joined},
            now=now,
        )
    return change


def give_back(
    *, actor: User, assignments: Sequence[Assignment], now: datetime | None = None
) -> int:
    """Release held or waiting items: their places are free for others, drafts stay; how many were."""
    now = now or timezone.now()
    with transaction.atomic():
        released = 0
        for assignment in _locked(assignments):
            if not assignment.is_waiting or assignment.given_back_at:
                continue
            Assignment.objects.filter(pk=assignment.pk).update(lease_until=None, given_back_at=now)
            record(
                actor,
                "released an item of",
                assignment.item.session,
                before={"reviewer": assignment.reviewer.user.username},
                after={"trace": assignment.item.trace.trace_id},
            )
            released += 1
    return released


def move(
    *, actor: User, assignments: Sequence[Assignment], to: Reviewer, now: datetime | None = None
) -> int:
    """Move items that wait, or were skipped or flagged, to another reviewer's batch; how many were.

    An item that this reviewer has had already stays where it is. A draft stays with its writer.

    Raises:
        SessionError: when the reviewer is not in the session any more, or the session is over.
    """
    now = now or timezone.now()
    if to.removed_at is not None:
        raise SessionError(f"{to.user} does not review in this session any more.")
    with transaction.atomic():
        lock_session(to.session)
        _check_changeable(to.session)
        moved = 0
        last = to.assignments.order_by("-position").values_list("position", flat=True).first()
        at = 0 if last is None else last + 1
        for assignment in _locked(assignments):
            is_done = assignment.state == AssignmentState.DONE
            if is_done or assignment.item.session_id != to.session_id:
                continue
            # Everybody answers the shared ones for themselves.
            if assignment.item.is_shared or assignment.item.is_warm_up:
                continue
            mine = to.assignments.filter(item=assignment.item_id).first()
            if mine is None:
                Assignment.objects.create(item=assignment.item, reviewer=to, position=at + moved)
            elif mine.is_waiting and mine.given_back_at:
                Assignment.objects.filter(pk=mine.pk).update(given_back_at=None)
            else:
                continue
            Assignment.objects.filter(pk=assignment.pk, state__in=WAITING).update(
                lease_until=None, given_back_at=now
            )
            moved += 1
        if moved:
            record(
                actor, "moved items in", to.session, after={"items": moved, "to": to.user.username}
            )
            session_mail.tell_moved(to.session, {to.user: moved}, now=now)
    return moved


def extend(
    *,
    actor: User,
    session: FeedbackSession,
    closes_at: datetime,
    grace_minutes: int | None = None,
    now: datetime | None = None,
) -> FeedbackSession:
    """Give a session another end; one in its extra time is open again. Calendars get the new time.

    Raises:
        SessionError: when the end is past or before the beginning, or the session is over.
    """
    now = now or timezone.now()
    with transaction.atomic():
        lock_session(session)
        _check_changeable(session)
        if closes_at <= now or (session.opens_at and closes_at <= session.opens_at):
            raise SessionError(
                "The new end must be in the future and after the beginning.", field="closes_at"
            )
        minutes = session.grace_minutes if grace_minutes is None else grace_minutes
        if not 0 <= minutes <= MOST_GRACE_MINUTES:
            raise SessionError(
                f"Choose from 0 to {MOST_GRACE_MINUTES} minutes of extra time.",
                field="grace_minutes",
            )
        before = session.closes_at
        session.closes_at, session.grace_minutes = closes_at, minutes
        session.revision += 1
        if session.status == SessionStatus.GRACE:
            session.status = SessionStatus.OPEN
        session.save(update_fields=["closes_at", "grace_minutes", "revision", "status"])
        record(
            actor,
            "extended",
            session,
            before={"closes_at": before and before.isoformat()},
            after={"closes_at": closes_at.isoformat(), "grace_minutes": minutes},
        )
        session_mail.tell_time(session, now=now, ended_at=before)
    return session


def remind(
    *,
    actor: User,
    session: FeedbackSession,
    reviewers: Sequence[Reviewer],
    now: datetime | None = None,
) -> int:
    """Remind those who have items left, each at most once an hour; how many are told."""
    now = now or timezone.now()
    with transaction.atomic():
        _check_changeable(session)
        users = [each.user for each in reviewers if each.removed_at is None]
        told = session_mail.remind(session, users, now=now)
        if told:
            record(actor, "reminded the reviewers of", session, after={"people": told})
    return told


def _planned(
    session: FeedbackSession, overlap: int | None, rooms: Mapping[User, int | None] | None
) -> tuple[Change, int]:
    current = {
        each.user: each.room
        for each in session.reviewers.filter(removed_at=None).select_related("user").order_by("pk")
    }
    wanted = current if rooms is None else dict(rooms)
    if rooms is not None:
        check_reviewers(session, wanted)
    new_overlap = session.overlap if overlap is None else overlap
    if not wanted:
        raise SessionError("Somebody has to review.", field="reviewers")
    if not 1 <= new_overlap <= min(MOST_OVERLAP, len(wanted)):
        raise SessionError(
            f"{new_overlap} people are to answer each item, but {len(wanted)} review; choose from 1 to {min(MOST_OVERLAP, len(wanted))}.",
            field="overlap",
        )
    plan, kept = divided(session, wanted, new_overlap)
    return (
        Change(
            plan=plan,
            kept=kept,
            joined=tuple(user for user in wanted if user not in current),
            left=tuple(user for user in current if user not in wanted),
        ),
        new_overlap,
    )


def _locked(assignments: Sequence[Assignment]) -> list[Assignment]:
    pks = [assignment.pk for assignment in assignments]
    items = Item.objects.filter(assignments__in=pks).order_by("pk")
    list(
        Item.objects.filter(pk__in=list(items.values_list("pk", flat=True)))
        .order_by("pk")
        .select_for_update(no_key=True)
        .values_list("pk")
    )
    return list(
        Assignment.objects.filter(pk__in=pks)
        .select_related("item__trace", "item__session__experiment__team", "reviewer__user")
        .order_by("position", "pk")
    )


def _check_changeable(session: FeedbackSession) -> None:
    if session.status not in _CHANGEABLE:
        raise SessionError(
            f"“{session.name}” is {session.get_status_display().lower()}; only a session that was announced and is not over can be changed in this way."
        )
