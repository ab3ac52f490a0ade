"""Feedback sessions while a lead plans them: made, set, given people and items, copied. Nobody else knows of them yet."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count

from annotator.models import (
    RUNNING,
    WAITING,
    Assignment,
    Experiment,
    FeedbackSession,
    Goal,
    Item,
    Judge,
    Reviewer,
    SessionJudge,
    SessionStatus,
    Trace,
    User,
)
from annotator.services import log
from annotator.services.session_checks import (
    AFTER_SCHEDULING,
    MOST_ITEMS,
    SETTINGS,
    SessionError,
    checked_settings,
)

__all__ = [
    "Pick",
    "SessionError",
    "copy_session",
    "create_session",
    "delete_draft",
    "loads",
    "set_items",
    "set_judges",
    "set_reviewers",
    "update_session",
]


@dataclass(frozen=True, kw_only=True)
class Pick:
    """A trace chosen for a session, by pk, with the stratum it was drawn from and the chance it had (0 < p <= 1)."""

    trace: int
    stratum: str = ""
    probability: float = 1.0


def create_session(
    *,
    actor: User | None,
    experiment: Experiment,
    name: str,
    judges: Sequence[Judge],
    goal: str = Goal.FREE,
    **settings: Any,
) -> FeedbackSession:
    """A draft. `settings` are the columns named in `session_checks.SETTINGS`.

    Raises:
        SessionError: when a setting is out of its bounds, or a judge cannot be asked for.
    """
    settings.setdefault("seed", secrets.randbits(32))
    draft = FeedbackSession(experiment=experiment, created_by=actor)
    settings = checked_settings(draft, {"name": name, "goal": goal, **settings})
    with transaction.atomic():
        session = FeedbackSession.objects.create(
            experiment=experiment, created_by=actor, **settings
        )
        _store_judges(session, judges)
        _record(actor, "planned", session, after={**_plain(settings), "judges": _names(judges)})
    return session


def update_session(
    *, actor: User | None, session: FeedbackSession, **settings: Any
) -> FeedbackSession:
    """Change settings: all of a draft, and of a session that was announced only what changes nobody's work.

    Raises:
        SessionError: when a setting is out of its bounds, or people rely on it already.
    """
    with transaction.atomic():
        lock_session(session)
        settings = checked_settings(session, settings)
        changed = {name: new for name, new in settings.items() if getattr(session, name) != new}
        if session.status != SessionStatus.DRAFT:
            for name in changed:
                if name not in AFTER_SCHEDULING:
                    raise SessionError(
                        "This was announced to the reviewers already; change people, overlap or time on the session's board.",
                        field=name,
                    )
        if changed:
            before = {name: getattr(session, name) for name in changed}
            for name, new in changed.items():
                setattr(session, name, new)
            session.save(update_fields=list(changed))
            _record(actor, "changed", session, before=_plain(before), after=_plain(changed))
    return session


def set_judges(
    *, actor: User | None, session: FeedbackSession, judges: Sequence[Judge]
) -> FeedbackSession:
    """Ask under these judges' names, in this order, by the guidelines that hold now.

    Raises:
        SessionError: when a judge cannot be asked for, or the session is no draft.
    """
    with transaction.atomic():
        lock_draft(session)
        session.session_judges.all().delete()
        _store_judges(session, judges)
        _record(actor, "changed", session, after={"judges": _names(judges)})
    return session


def set_reviewers(
    *, actor: User | None, session: FeedbackSession, rooms: Mapping[User, int | None]
) -> FeedbackSession:
    """Have these people review, each with room for so many items (None: the session's number).

    Raises:
        SessionError: when somebody is not in the team or has no room for the shared items, or the session is no draft.
    """
    with transaction.atomic():
        lock_draft(session)
        check_reviewers(session, rooms)
        session.reviewers.exclude(user__in=rooms).delete()
        for user, room in rooms.items():
            Reviewer.objects.update_or_create(session=session, user=user, defaults={"room": room})
        _record(actor, "changed", session, after={"reviewers": _usernames(rooms)})
    return session


def set_items(
    *,
    actor: User | None,
    session: FeedbackSession,
    picks: Iterable[Pick],
    selection: dict[str, Any] | None = None,
) -> FeedbackSession:
    """Fill the session with these traces, in this order.

    Args:
        selection: What the sampler was told and how big each stratum was, kept for weighing the sample.

    Raises:
        SessionError: when there are too many, one is of another experiment or twice, or the session is no draft.
    """
    picks = list(picks)
    with transaction.atomic():
        lock_draft(session)
        if len(picks) > MOST_ITEMS:
            raise SessionError(
                f"A session takes at most {MOST_ITEMS:,} traces; choose fewer.", field="items"
            )
        wanted = {pick.trace for pick in picks}
        if len(wanted) < len(picks):
            raise SessionError("A trace was chosen twice; choose it once.", field="items")
        known = set(
            Trace.objects.filter(experiment=session.experiment_id, pk__in=wanted).values_list(
                "pk", flat=True
            )
        )
        if known != wanted:
            raise SessionError(
                f"{len(wanted - known)} of the traces are not in the experiment {session.experiment.name} any more; choose anew.",
                field="items",
            )
        session.items.all().delete()
        Item.objects.bulk_create(
            [
                Item(
                    session=session,
                    trace_id=pick.trace,
                    position=position,
                    stratum=pick.stratum[:200],
                    probability=pick.probability,
                    wanted=session.overlap,
                )
                for position, pick in enumerate(picks)
            ],
            batch_size=500,
        )
        session.selection = selection or {}
        session.save(update_fields=["selection"])
        _record(actor, "changed", session, after={"items": len(picks)})
    return session


def copy_session(*, actor: User | None, session: FeedbackSession) -> FeedbackSession:
    """A draft with the same judges, people and settings, by today's guidelines, without items and without a time.

    Its seed is new, so that the copy draws and divides anew.
    """
    kept = set(SETTINGS) - {"name", "opens_at", "closes_at", "seed"}
    judges = [each.judge for each in session.session_judges.select_related("judge__guideline")]
    with transaction.atomic():
        copy = create_session(
            actor=actor,
            experiment=session.experiment,
            name=f"Copy of {session.name}"[:200],
            judges=judges,
            **{name: getattr(session, name) for name in kept},
        )
        copy.copied_from = session
        copy.save(update_fields=["copied_from"])
        members = session.experiment.team.memberships.values("user")
        Reviewer.objects.bulk_create(
            [
                Reviewer(session=copy, user_id=reviewer.user_id, room=reviewer.room)
                for reviewer in session.reviewers.filter(removed_at=None, user__in=members)
            ]
        )
    return copy


def delete_draft(*, actor: User, session: FeedbackSession) -> None:
    """Throw a draft away.

    Raises:
        SessionError: when the session is no draft any more.
    """
    with transaction.atomic():
        lock_draft(session)
        _record(actor, "deleted", session)
        session.delete()


def loads(users: Iterable[User], *, but: FeedbackSession | None = None) -> dict[int, int]:
    """How many items each person (by pk) still has to do in sessions planned or running; in one query."""
    rows = Assignment.objects.filter(
        reviewer__user__in=list(users),
        reviewer__removed_at=None,
        state__in=WAITING,
        given_back_at=None,
        item__session__status__in=(SessionStatus.SCHEDULED, *RUNNING),
    )
    if but is not None:
        rows = rows.exclude(item__session=but)
    return dict(rows.values_list("reviewer__user").annotate(Count("pk")))


def lock_session(session: FeedbackSession) -> None:
    """Read the session anew, and let nobody else hand out in it or move it on until the transaction ends."""
    FeedbackSession.objects.select_for_update(no_key=True).values_list("pk").get(pk=session.pk)
    session.refresh_from_db(
        from_queryset=FeedbackSession.objects.select_related("experiment__team")
    )


def lock_draft(session: FeedbackSession) -> None:
    """Lock it; refuse one that was announced.

    Raises:
        SessionError: when the session is no draft.
    """
    lock_session(session)
    if session.status != SessionStatus.DRAFT:
        raise SessionError(
            f"“{session.name}” is no draft any more; change people, overlap or time on its board."
        )


def check_reviewers(session: FeedbackSession, rooms: Mapping[User, int | None]) -> None:
    """Refuse people who are not in the team, and rooms that do not hold the shared items.

    Raises:
        SessionError: naming the person.
    """
    members = set(session.experiment.team.memberships.values_list("user_id", flat=True))
    for user, room in rooms.items():
        if user.pk not in members or not user.is_active:
            raise SessionError(
                f"{user} is not in the team {session.experiment.team.name}; an admin can add them.",
                field="reviewers",
            )
        if room is not None and room < max(1, session.shared_items):
            raise SessionError(
                f"{user} has room for {room} items, but {max(1, session.shared_items)} go to everybody; give them more room.",
                field="reviewers",
            )


def _store_judges(session: FeedbackSession, judges: Sequence[Judge]) -> None:
    if not judges:
        raise SessionError("Choose the judge under whose name people answer.", field="judges")
    if len({judge.pk for judge in judges}) < len(judges):
        raise SessionError("A judge was chosen twice; choose it once.", field="judges")
    for judge in judges:
        if judge.experiment_id != session.experiment_id or judge.current_version_id is None:
            raise SessionError(
                f"The judge {judge.name} belongs to another experiment or has no version yet.",
                field="judges",
            )
    SessionJudge.objects.bulk_create(
        [
            SessionJudge(
                session=session, judge=judge, position=position, guideline_id=judge.guideline_id
            )
            for position, judge in enumerate(judges)
        ]
    )


def _record(
    actor: User | None,
    action: str,
    session: FeedbackSession,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    log.record(
        actor=actor,
        action=action,
        target=session,
        team=session.experiment.team,
        name=session.name,
        before=before,
        after=after,
    )


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in settings.items()
    }


def _names(judges: Sequence[Judge]) -> list[str]:
    return [judge.name for judge in judges]


def _usernames(users: Iterable[User]) -> list[str]:
    return sorted(user.username for user in users)
