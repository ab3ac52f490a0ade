"""A session's way from draft to settled. Each step may be asked for twice: the second time it changes nothing."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from annotator import handout
from annotator.models import (
    RUNNING,
    Assignment,
    AssignmentState,
    FeedbackSession,
    Item,
    ItemOrder,
    Label,
    Reviewer,
    SessionJudge,
    SessionStatus,
    User,
)
from annotator.models.sessions import FeedbackSessionQuerySet
from annotator.services import log, session_mail
from annotator.services.sessions import SessionError, loads, lock_draft, lock_session


def preview(session: FeedbackSession) -> handout.HandOut:
    """Who would get which items (reviewers and items by pk), as `schedule_session` hands them out."""
    return _handed_out(session, _regular(session), _reviewers(session))


def schedule_session(
    *,
    actor: User | None,
    session: FeedbackSession,
    now: datetime | None = None,
    allow_short: bool = False,
) -> FeedbackSession:
    """Hand the items out and announce the session; it opens at its time, or at once when that is past.

    Args:
        now: The time it is.
        allow_short: Whether items may get fewer answers than the overlap asks for, because nobody has room.

    Raises:
        SessionError: when something is missing: judge, people, items, time, or room.
    """
    now = now or timezone.now()
    with transaction.atomic():
        lock_draft(session)
        items, reviewers = _regular(session), _reviewers(session)
        _check_complete(session, items, reviewers, now)
        plan = _handed_out(session, items, reviewers)
        if plan.missing and not allow_short:
            raise SessionError(
                f"{plan.missing} answers have nobody: add people, make the batches bigger, or take items out.",
                field="reviewers",
            )
        shared = shared_slice(session, items)
        Item.objects.filter(pk__in=shared).update(is_shared=True, wanted=len(reviewers))
        _add_assignments(session, plan, _warm_ups(session, items))
        session.status = SessionStatus.SCHEDULED
        session.save(update_fields=["status"])
        record(actor, "scheduled", session, after={"answers": plan.answers})
        if session.opens_at and session.opens_at <= now:
            open_session(session=session, now=now)
        else:
            session_mail.announce(session, now=now)
    return session


def open_session(*, session: FeedbackSession, now: datetime, actor: User | None = None) -> bool:
    """Let the reviewers begin; whether it was waiting for that."""
    with transaction.atomic():
        moved = _move(
            session, (SessionStatus.SCHEDULED,), SessionStatus.OPEN, "opened", actor, opened_at=now
        )
        if moved:
            session_mail.tell_opened(session, now=now)
    return moved


def begin_grace(*, session: FeedbackSession, now: datetime, actor: User | None = None) -> bool:
    """End the window and begin the extra time: what nobody has begun is there for everybody now."""
    with transaction.atomic():
        moved = _move(session, (SessionStatus.OPEN,), SessionStatus.GRACE, "ended", actor)
        if moved:
            free_the_rest(session=session, now=now)
    return moved


def free_the_rest(*, session: FeedbackSession, now: datetime) -> None:
    """In the extra time, free what nobody has begun; not for those who have more time of their own."""
    Assignment.objects.filter(
        item__session=session,
        item__is_shared=False,
        item__is_warm_up=False,
        state=AssignmentState.TODO,
        opened_at=None,
        given_back_at=None,
    ).exclude(reviewer__closes_at__gt=now).update(given_back_at=now)


def close_session(*, session: FeedbackSession, now: datetime, actor: User | None = None) -> bool:
    """End it. What was answered stays; drafts stay where they are, unsent."""
    with transaction.atomic():
        moved = _move(session, RUNNING, SessionStatus.CLOSED, "closed", actor, closed_at=now)
        if moved:
            Assignment.objects.filter(item__session=session, lease_until__isnull=False).update(
                lease_until=None
            )
    return moved


def settle_session(
    *,
    actor: User | None,
    session: FeedbackSession,
    now: datetime | None = None,
    leave_unsettled: bool = False,
) -> bool:
    """Say that everything in it is settled.

    Args:
        leave_unsettled: Whether what has answers and no label is to stay as it is.

    Raises:
        SessionError: while reviewers can still answer, or something has answers and no label.
    """
    if session.status in (SessionStatus.DRAFT, SessionStatus.SCHEDULED, *RUNNING):
        raise SessionError("Close the session first; reviewers can still answer.")
    if session.status == SessionStatus.CLOSED and not leave_unsettled:
        many = _unsettled().filter(session=session).count()
        if many:
            traces = "One trace has" if many == 1 else f"{many} traces have"
            raise SessionError(
                f"{traces} answers and no label yet; settle {'it' if many == 1 else 'them'} first, or finish without."
            )
    return _move(
        session,
        (SessionStatus.CLOSED,),
        SessionStatus.SETTLED,
        "settled",
        actor,
        settled_at=now or timezone.now(),
    )


def settled_by_now() -> FeedbackSessionQuerySet:
    """Closed sessions in which all that was answered has a label by now."""
    answered = Assignment.objects.filter(item__session=OuterRef("pk"), item__is_warm_up=False)
    return FeedbackSession.objects.filter(
        Exists(answered.filter(state=AssignmentState.DONE)),
        ~Exists(_unsettled().filter(session=OuterRef("pk"))),
        status=SessionStatus.CLOSED,
    )


def _unsettled() -> QuerySet[Item]:
    """Items that somebody answered, and that count as nothing under one of their session's judges' names."""
    answered = Assignment.objects.filter(item=OuterRef("pk"), state=AssignmentState.DONE)
    labels = Label.objects.filter(trace=OuterRef(OuterRef("trace")), judge=OuterRef("judge"))
    judges = SessionJudge.objects.filter(session=OuterRef("session"))
    return Item.objects.filter(
        Exists(answered), Exists(judges.filter(~Exists(labels))), is_warm_up=False
    )


def cancel_session(
    *, actor: User | None, session: FeedbackSession, now: datetime | None = None
) -> bool:
    """Call it off before its end. Answers that were given stay feedback."""
    now = now or timezone.now()
    with transaction.atomic():
        was_announced = session.status != SessionStatus.DRAFT
        moved = _move(
            session,
            (SessionStatus.DRAFT, SessionStatus.SCHEDULED, *RUNNING),
            SessionStatus.CANCELLED,
            "cancelled",
            actor,
            closed_at=now,
        )
        if moved and was_announced:
            session_mail.call_off(session, now=now)
    return moved


def shared_slice(session: FeedbackSession, items: Sequence[Item]) -> list[int]:
    """The pks of the items that open every batch: drawn from all of them, so that they stand for all of them."""
    chance = random.Random(f"shared {session.seed}")  # noqa: S311
    drawn = chance.sample(list(items), min(session.shared_items, len(items)))
    return [item.pk for item in sorted(drawn, key=lambda item: item.position)]


def batch_order(session: FeedbackSession, reviewer: int, items: Iterable[Item]) -> list[Item]:
    """The order of a batch: warm-up, shared items (alike for all), the rest as the session says."""
    items = list(items)
    first = [item for item in items if item.is_warm_up]
    shared = [item for item in items if item.is_shared]
    rest = [item for item in items if not item.is_warm_up and not item.is_shared]
    if session.item_order == ItemOrder.SHUFFLED:
        random.Random(f"order {session.seed} {reviewer}").shuffle(rest)  # noqa: S311
    else:
        rest.sort(
            key=lambda item: (item.trace.requested_at, item.pk),
            reverse=session.item_order == ItemOrder.NEWEST,
        )
    return [*first, *shared, *rest]


def record(
    actor: User | None,
    action: str,
    session: FeedbackSession,
    *,
    before: object = None,
    after: object = None,
) -> None:
    """A row of the activity log about a session."""
    log.record(
        actor=actor,
        action=action,
        target=session,
        team=session.experiment.team,
        name=session.name,
        before=before,
        after=after,
    )


def _move(
    session: FeedbackSession,
    origins: Sequence[str],
    to: str,
    action: str,
    actor: User | None,
    **times: datetime,
) -> bool:
    """One conditional UPDATE, so that two schedulers, or a scheduler and a lead, do a step once between them."""
    with transaction.atomic():
        moved = FeedbackSession.objects.filter(pk=session.pk, status__in=origins).update(
            status=to, **times
        )
        lock_session(session)
        if moved:
            record(actor, action, session, after={"status": to})
    return bool(moved)


def _regular(session: FeedbackSession) -> list[Item]:
    return list(session.items.filter(is_warm_up=False).select_related("trace"))


def _reviewers(session: FeedbackSession) -> list[Reviewer]:
    found = session.reviewers.filter(removed_at=None).select_related("user")
    return list(found.order_by("pk"))


def _handed_out(
    session: FeedbackSession, items: Sequence[Item], reviewers: Sequence[Reviewer]
) -> handout.HandOut:
    shared = set(shared_slice(session, items))
    carried = loads([reviewer.user for reviewer in reviewers], but=session)
    return handout.hand_out(
        [
            handout.Work(item=item.pk, wanted=session.overlap, is_shared=item.pk in shared)
            for item in items
        ],
        [
            handout.Person(
                key=reviewer.pk,
                room=session.per_reviewer if reviewer.room is None else reviewer.room,
                load=carried.get(reviewer.user_id, 0),
            )
            for reviewer in reviewers
        ],
        seed=session.seed,
    )


def _add_assignments(
    session: FeedbackSession, plan: handout.HandOut, warm_ups: Sequence[Item]
) -> None:
    items = {item.pk: item for item in _regular(session)}
    Assignment.objects.bulk_create(
        [
            Assignment(item=item, reviewer_id=reviewer, position=position)
            for reviewer, batch in plan.batches.items()
            for position, item in enumerate(
                batch_order(session, reviewer, [*warm_ups, *(items[pk] for pk in batch)])
            )
        ],
        batch_size=500,
    )


def _warm_ups(session: FeedbackSession, items: Sequence[Item]) -> list[Item]:
    """Settled traces to begin with, which teach the reviewer and count for nothing."""
    if not session.warm_up_items:
        return []
    judge = session.session_judges.values("judge")[:1]
    settled = Label.objects.filter(judge__in=judge).exclude(
        trace__in=[item.trace_id for item in items]
    )
    traces = list(settled.order_by("pk").values_list("trace_id", flat=True))
    chance = random.Random(f"warm-up {session.seed}")  # noqa: S311
    drawn = chance.sample(traces, min(session.warm_up_items, len(traces)))
    Item.objects.bulk_create(
        [
            Item(session=session, trace_id=trace, position=position, wanted=0, is_warm_up=True)
            for position, trace in enumerate(drawn)
        ]
    )
    return list(session.items.filter(is_warm_up=True).select_related("trace"))


def _check_complete(
    session: FeedbackSession, items: Sequence[Item], reviewers: Sequence[Reviewer], now: datetime
) -> None:
    if not items:
        raise SessionError("Choose the traces to review first.", field="items")
    if not reviewers:
        raise SessionError("Choose who reviews first.", field="reviewers")
    if session.overlap > len(reviewers):
        raise SessionError(
            f"{session.overlap} people are to answer each item, but only {len(reviewers)} review; add people or lower the overlap.",
            field="overlap",
        )
    if session.opens_at is None or session.closes_at is None:
        raise SessionError("Say when the session opens and closes.", field="opens_at")
    if session.closes_at <= now:
        raise SessionError(
            "The session would close in the past; choose a later time.", field="closes_at"
        )
    for reviewer in reviewers:
        if reviewer.room is not None and reviewer.room < session.shared_items:
            raise SessionError(
                f"{reviewer.user} has no room for the {session.shared_items} shared items.",
                field="reviewers",
            )
