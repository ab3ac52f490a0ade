"""An expert's way through a batch: hold an item, keep a draft, answer, undo, skip, flag, take more.

An item is held in the database and the hold is prolonged while the page is open. What was held and went silent may be
taken by somebody else; whoever submits first gets the place, and a later answer is kept all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from annotator.models import (
    WAITING,
    Assignment,
    AssignmentState,
    FeedbackSession,
    Item,
    Reviewer,
    SessionStatus,
    SkipReason,
    User,
)
from annotator.models.assignments import ItemQuerySet
from annotator.services import log
from annotator.services.places import (
    LONGEST_BEAT_SECONDS,
    has_free_place,
    lock_item,
    waiting_state,
)
from annotator.services.session_checks import SessionError
from judges.answers import clean_text

LONGEST_DRAFT = 20_000
DRAFT_FIELDS = (
    "value", "rationale", "decline", "decline_text", "confidence", "expected", "span_id"
)  # fmt: skip
MOST_TAKEN_AT_ONCE = 20


@dataclass(frozen=True, kw_only=True)
class Hold:
    """A hold on an item: until when, and when an earlier one of the same person had ended (None: it had not)."""

    until: datetime
    ended_at: datetime | None = None


def next_for(
    *, user: User, session: FeedbackSession, after: Assignment | None = None
) -> Assignment | None:
    """The next item of the user's batch that waits, beginning behind `after` and then from the start; None at the end."""
    waiting = (
        Assignment.objects.of(user)
        .filter(item__session=session)
        .open_to_answer()
        .select_related("item__trace", "reviewer")
    )
    if after is not None:
        waiting = waiting.exclude(pk=after.pk)
        following = waiting.filter(
            Q(position__gt=after.position) | Q(position=after.position, pk__gt=after.pk)
        ).first()
        if following is not None:
            return following
    return waiting.first()


def hold(*, user: User, assignment: Assignment, now: datetime | None = None) -> Hold:
    """Hold an item while it is open in front of the user.

    Raises:
        SessionError: when it is not the user's, cannot be answered now, or others have answered it meanwhile.
    """
    now = now or timezone.now()
    _check_own(user, assignment)
    _check_running(assignment.item.session, assignment.reviewer, now)
    until = now + timedelta(seconds=settings.HOLD_SECONDS)
    columns: dict[str, Any] = {
        "lease_until": until,
        "heartbeat_at": now,
        "opened_at": Coalesce("opened_at", now),
    }
    mine = Assignment.objects.filter(pk=assignment.pk, state__in=WAITING)
    if mine.filter(given_back_at=None).update(**columns):
        return Hold(until=until)
    with transaction.atomic():
        lock_item(assignment)
        if not assignment.is_waiting:
            return Hold(until=now)  # it is answered: looking at it again holds nothing up
        ended_at = assignment.given_back_at
        if ended_at is not None and not has_free_place(assignment):
            raise SessionError("Others have answered this one meanwhile; go on with the next.")
        mine.update(**columns, given_back_at=None)
    return Hold(until=until, ended_at=ended_at)


def beat(
    *, user: User, assignment: Assignment, seconds: int = 0, now: datetime | None = None
) -> Hold:
    """Prolong the hold and count the time spent; takes the place again if it was given back and is still free.

    Args:
        seconds: Time that the item was in front of the user since the last beat.

    Raises:
        SessionError: as `hold`.
    """
    held = hold(user=user, assignment=assignment, now=now)
    counted = max(0, min(seconds, LONGEST_BEAT_SECONDS))
    if counted:
        Assignment.objects.filter(pk=assignment.pk).update(
            active_seconds=F("active_seconds") + counted
        )
    return held


def let_go(*, user: User, assignment: Assignment) -> None:
    """End the hold because the user left the page; the item stays in the batch."""
    _check_own(user, assignment)
    Assignment.objects.filter(pk=assignment.pk).update(lease_until=None)


def save_draft(
    *,
    user: User,
    assignment: Assignment,
    judge: int,
    draft: dict[str, str],
    now: datetime | None = None,
) -> datetime:
    """Keep what was typed under one judge's name (by pk), and when that was.

    Args:
        draft: Texts by the names in `DRAFT_FIELDS`; none of them throws the draft away.

    Raises:
        SessionError: when the item is not the user's, the session does not run, or a text is too long.
    """
    now = now or timezone.now()
    _check_own(user, assignment)
    _check_running(assignment.item.session, assignment.reviewer, now)
    unknown = [name for name in draft if name not in DRAFT_FIELDS]
    if unknown:
        raise SessionError(f"A draft has no field “{unknown[0][:60]}”.", field=unknown[0])
    kept = {name: clean_text(text) for name, text in draft.items() if text}
    for name, text in kept.items():
        if len(text) > LONGEST_DRAFT:
            raise SessionError(
                f"The text is longer than {LONGEST_DRAFT:,} characters; shorten it.", field=name
            )
    with transaction.atomic():
        current = Assignment.objects.select_for_update(no_key=True).get(pk=assignment.pk)
        drafts = {name: each for name, each in current.drafts.items() if name != str(judge)}
        if kept:
            drafts[str(judge)] = kept
        state = current.state
        if current.is_waiting:
            state = waiting_state(current, drafts)
        Assignment.objects.filter(pk=assignment.pk).update(
            drafts=drafts, drafted_at=now, state=state
        )
    assignment.drafts, assignment.drafted_at, assignment.state = drafts, now, state
    return now


def skip(
    *, user: User, assignment: Assignment, reason: str, text: str = "", now: datetime | None = None
) -> None:
    """Leave an item out, with a reason; its place is free for somebody else.

    Raises:
        SessionError: when the reason is missing, the item is answered already, or the session does not run.
    """
    if reason not in SkipReason.values:
        raise SessionError("Choose why you skip it.", field="reason")
    if reason == SkipReason.OTHER and not text.strip():
        raise SessionError("Say in a few words why you skip it.", field="reason_text")
    _set_aside(user, assignment, AssignmentState.SKIPPED, reason, text, now or timezone.now())


def flag(*, user: User, assignment: Assignment, text: str, now: datetime | None = None) -> None:
    """Leave an item to the lead, with a note.

    Raises:
        SessionError: when the note is missing, the item is answered already, or the session does not run.
    """
    if not text.strip():
        raise SessionError("Say what the lead should look at.", field="reason_text")
    _set_aside(user, assignment, AssignmentState.FLAGGED, "", text, now or timezone.now())


def take_up_again(*, user: User, assignment: Assignment, now: datetime | None = None) -> None:
    """Put a skipped or flagged item back into the batch.

    Raises:
        SessionError: when others have answered it meanwhile, or the session does not run.
    """
    _check_own(user, assignment)
    _check_running(assignment.item.session, assignment.reviewer, now or timezone.now())
    with transaction.atomic():
        lock_item(assignment)
        if assignment.state not in (AssignmentState.SKIPPED, AssignmentState.FLAGGED):
            return
        if not has_free_place(assignment):
            raise SessionError("Others have answered this one meanwhile; go on with the next.")
        was = assignment.state
        _write(
            assignment,
            state=waiting_state(assignment, assignment.drafts),
            given_back_at=None,
            reason="",
            reason_text="",
        )
        record(user, "took up again", assignment, before={"state": was})


def take_more(
    *, user: User, session: FeedbackSession, count: int = 5, now: datetime | None = None
) -> list[Assignment]:
    """Add items to the user's batch whose places nobody has: skipped ones, and those that were held and went silent.

    Returns:
        The new assignments, at most `count`; none when all is answered or held.

    Raises:
        SessionError: when the lead has not allowed it, the user does not review here, or the session does not run.
    """
    now = now or timezone.now()
    reviewer = session.reviewers.filter(user=user, removed_at=None).first()
    if reviewer is None:
        raise SessionError("You do not review in this session.")
    _check_running(session, reviewer, now)
    if not may_take_more(session):
        raise SessionError("Your lead has not allowed to take more items in this session.")
    give_back_silent(now=now, session=session)
    with transaction.atomic():
        free = (
            free_for(reviewer, now=now)
            .order_by("position", "pk")
            .select_for_update(
                skip_locked=connection.features.has_select_for_update_skip_locked, of=("self",)
            )
        )
        locked = list(free[: max(1, min(count, MOST_TAKEN_AT_ONCE))])
        # Read again now that nobody else can take a place: the first look was before the lock.
        taken = dict(
            Assignment.objects.taking_a_place()
            .filter(item__in=locked)
            .order_by()
            .values_list("item")
            .annotate(Count("pk"))
        )
        last = reviewer.assignments.order_by("-position").values_list("position", flat=True).first()
        start = 0 if last is None else last + 1
        still_free = [item for item in locked if taken.get(item.pk, 0) < item.wanted]
        new = Assignment.objects.bulk_create(
            [
                Assignment(item=item, reviewer=reviewer, position=start + at)
                for at, item in enumerate(still_free)
            ]
        )
        if new:
            log.record(
                actor=user,
                action="took more",
                target=session,
                team=session.experiment.team,
                name=session.name,
                after={"items": len(new)},
            )
    return new


def may_take_more(session: FeedbackSession) -> bool:
    """Whether reviewers may take what is free: where the lead allows it, and in the extra time always."""
    return session.take_more or session.status == SessionStatus.GRACE


def free_for(reviewer: Reviewer, *, now: datetime) -> ItemQuerySet:
    """Items of the session that the reviewer has never had and whose places nobody has."""
    items = Item.objects.filter(session=reviewer.session_id, is_shared=False, is_warm_up=False)
    return items.exclude(assignments__reviewer=reviewer).with_free_place(now=now)


def give_back_silent(*, now: datetime, session: FeedbackSession | None = None) -> int:
    """Free the places of items that were held and went silent; how many holds ended. Drafts stay with their writers."""
    silent = Assignment.objects.filter(state__in=WAITING, lease_until__lt=now)
    if session is not None:
        silent = silent.filter(item__session=session)
    # Everybody answers the shared ones, so that nobody else waits for their places.
    for_all = Q(item__is_shared=True) | Q(item__is_warm_up=True)
    pks = list(silent.filter(for_all).values_list("pk", flat=True))
    ended = Assignment.objects.filter(pk__in=pks, lease_until__lt=now).update(lease_until=None)
    pks = list(silent.exclude(for_all).values_list("pk", flat=True))
    still = Assignment.objects.filter(pk__in=pks, state__in=WAITING, lease_until__lt=now)
    return ended + still.update(lease_until=None, given_back_at=now)


def record(
    actor: User,
    action: str,
    assignment: Assignment,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """A row of the activity log about one person's item."""
    session = assignment.item.session
    log.record(
        actor=actor,
        action=action,
        target=assignment,
        team=session.experiment.team,
        name=f"{assignment.item.trace.trace_id} in {session.name}",
        before=before,
        after=after,
    )


def _set_aside(
    user: User,
    assignment: Assignment,
    state: AssignmentState,
    reason: str,
    text: str,
    now: datetime,
) -> None:
    _check_own(user, assignment)
    _check_running(assignment.item.session, assignment.reviewer, now)
    text = clean_text(text).strip()
    if len(text) > 500:
        raise SessionError("Say it in at most 500 characters.", field="reason_text")
    with transaction.atomic():
        lock_item(assignment)
        if assignment.state == AssignmentState.DONE:
            raise SessionError("You have answered this one; undo the answer first.")
        _write(
            assignment,
            state=state,
            reason=reason,
            reason_text=text,
            lease_until=None,
            heartbeat_at=now,
        )
        record(user, state.label.lower(), assignment, after={"reason": reason, "text": text})


def _write(assignment: Assignment, **columns: Any) -> None:
    for name, value in columns.items():
        setattr(assignment, name, value)
    assignment.save(update_fields=list(columns))


def _check_own(user: User, assignment: Assignment) -> None:
    if assignment.reviewer.user_id != user.pk:
        raise SessionError("This item is in somebody else's batch.")


def _check_running(session: FeedbackSession, reviewer: Reviewer, now: datetime) -> None:
    if session.is_running_for(reviewer.closes_at, now):
        return
    if session.status == SessionStatus.SCHEDULED and session.opens_at:
        opens = session.opens_at.astimezone(session.zone)
        raise SessionError(
            f"“{session.name}” opens on {opens:%d %B at %H:%M} ({session.time_zone})."
        )
    raise SessionError(f"“{session.name}” is over; answers can no longer be changed in it.")
