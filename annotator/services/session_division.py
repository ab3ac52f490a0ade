"""A session's items divided anew among its people: worked out from what is there, and written as the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from annotator import handout
from annotator.models import (
    WAITING,
    Assignment,
    AssignmentState,
    FeedbackSession,
    Item,
    Reviewer,
    User,
)
from annotator.services.session_states import batch_order
from annotator.services.sessions import loads


def divided(
    session: FeedbackSession, rooms: Mapping[User, int | None], overlap: int
) -> tuple[handout.HandOut, int]:
    """Who has which items then (people by the user's pk), and how many places were begun or done."""
    items = list(session.items.filter(is_warm_up=False))
    stays = {user.pk for user in rooms}
    places = []
    for item, user, state, lease, is_extra, given_back in Assignment.objects.filter(
        item__in=items
    ).values_list("item", "reviewer__user", "state", "lease_until", "is_extra", "given_back_at"):
        is_done = state == AssignmentState.DONE
        is_set_aside = state in (AssignmentState.SKIPPED, AssignmentState.FLAGGED)
        if is_extra or is_set_aside or (given_back and not is_done):
            continue
        is_begun = state == AssignmentState.DRAFT or lease is not None
        if user in stays or is_done:
            places.append(handout.Place(person=user, item=item, is_fixed=is_done or is_begun))
    carried = loads(rooms, but=session)
    aside = _set_aside(session)
    plan = handout.hand_out(
        [
            handout.Work(
                item=item.pk,
                wanted=overlap + item.has_third_opinion,
                is_shared=item.is_shared,
            )
            for item in items
        ],
        [
            handout.Person(
                key=user.pk,
                room=session.per_reviewer if room is None else room,
                load=carried.get(user.pk, 0),
                never=frozenset(aside.get(user.pk, ())),
            )
            for user, room in rooms.items()
        ],
        places=places,
        seed=session.seed,
    )
    return plan, sum(place.is_fixed for place in places)


def _set_aside(session: FeedbackSession) -> dict[int, set[int]]:
    """The items that each person (by the user's pk) skipped or flagged: they do not get them again."""
    found: dict[int, set[int]] = {}
    rows = Assignment.objects.filter(
        item__session=session, state__in=(AssignmentState.SKIPPED, AssignmentState.FLAGGED)
    )
    for user, item in rows.values_list("reviewer__user", "item"):
        found.setdefault(user, set()).add(item)
    return found


def store_people(
    session: FeedbackSession,
    rooms: Mapping[User, int | None] | None,
    *,
    left: Sequence[User],
    now: datetime,
) -> None:
    """Take those who leave out, and those in `rooms` in."""
    session.reviewers.filter(user__in=left).update(removed_at=now)
    Assignment.objects.filter(
        item__session=session, reviewer__user__in=left, lease_until__isnull=False
    ).update(lease_until=None)
    for user, room in (rooms or {}).items():
        Reviewer.objects.update_or_create(
            session=session, user=user, defaults={"room": room, "removed_at": None}
        )


def store_items(session: FeedbackSession) -> None:
    """Have each item want as many answers as people and overlap now ask for."""
    many = session.reviewers.filter(removed_at=None).count()
    session.items.filter(is_shared=True).update(wanted=many)
    ordinary = session.items.filter(is_shared=False, is_warm_up=False)
    ordinary.filter(has_third_opinion=False).update(wanted=session.overlap)
    ordinary.filter(has_third_opinion=True).update(wanted=session.overlap + 1)


def store_places(session: FeedbackSession, plan: handout.HandOut, now: datetime) -> dict[User, int]:
    """Write the difference; how many items came to each person."""
    reviewers = {
        each.user_id: each
        for each in session.reviewers.filter(removed_at=None).select_related("user")
    }
    items = {item.pk: item for item in Item.objects.filter(session=session).select_related("trace")}
    for user, item in plan.dropped:
        if user in reviewers:
            Assignment.objects.filter(
                reviewer=reviewers[user], item=item, state=AssignmentState.TODO
            ).update(given_back_at=now)
    # Places that were given back before, or whose reviewer comes in again, are taken anew.
    for user, item in plan.added:
        Assignment.objects.filter(reviewer=reviewers[user], item=item, state__in=WAITING).update(
            given_back_at=None
        )
    known = set(
        Assignment.objects.filter(item__session=session).values_list("reviewer__user", "item")
    )
    new = [pair for pair in plan.added if pair not in known]
    warm_ups = [item for item in items.values() if item.is_warm_up]
    added: dict[User, int] = {}
    for user in sorted({user for user, _ in new}):
        reviewer = reviewers[user]
        mine = [items[item] for owner, item in new if owner == user]
        is_first = not reviewer.assignments.exists()
        last = reviewer.assignments.order_by("-position").values_list("position", flat=True).first()
        start = 0 if last is None else last + 1
        ordered = batch_order(session, reviewer.pk, [*(warm_ups if is_first else []), *mine])
        Assignment.objects.bulk_create(
            Assignment(item=item, reviewer=reviewer, position=start + at)
            for at, item in enumerate(ordered)
        )
        added[reviewer.user] = len(mine)
    return added
