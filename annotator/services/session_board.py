"""How a session stands, read for its board: people, items, holds and answers, in the same few queries whatever its size."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from annotator.models import (
    WAITING,
    Assessment,
    Assignment,
    AssignmentState,
    FeedbackSession,
    Item,
    Judge,
    Kind,
    Label,
    Reviewer,
    Source,
)
from annotator.models.hidden import Hidden
from annotator.pace import Pace, forecast, pace_of
from judges.values import Value

ITEM_STATES = ("review", "others", "settling", "settled")


@dataclass(frozen=True, kw_only=True)
class Place:
    """One reviewer's place on one item, as far as the board shows it."""

    pk: int
    item: int
    reviewer: int
    state: str
    lease_until: datetime | None
    heartbeat_at: datetime | None
    submitted_at: datetime | None
    given_back_at: datetime | None
    active_seconds: int
    reason: str
    reason_text: str
    is_extra: bool
    is_warm_up: bool
    is_third_opinion: bool

    def is_held(self, now: datetime) -> bool:
        """Whether its reviewer has it open."""
        return self.state in WAITING and self.lease_until is not None and self.lease_until >= now


@dataclass(frozen=True, kw_only=True)
class Person:
    """A reviewer's row. What is held or left as a draft is also still to do."""

    reviewer: Reviewer
    total: int
    done: int
    draft: int
    held: int
    skipped: int
    flagged: int
    left: int
    pace: Pace
    done_by: datetime | None
    seen_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ItemRow:
    """An item, where it stands, how many of the answers it wants are in, and when the last one came."""

    item: Item
    state: str
    done: int
    wanted: int
    changed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one person said first, under one judge's name, in this session."""

    judge: str
    trace: int
    person: str
    value: Value | None
    reason: str
    declined: str
    submitted_at: datetime


@dataclass(frozen=True, kw_only=True)
class Board:
    """Everything a lead's board shows.

    Attributes:
        people: The reviewers who are in it, and those taken out who had done something.
        items: All items but the warm-up.
        places: Everybody's places, warm-up included, in the order of the batches.
        held: Places that somebody has open, the one that ends first coming first.
        answers: First answers, oldest first.
        wanted: How many answers there are to be in all.
        done: How many of them are in.
        done_by: When everybody is done at their pace; None while that cannot be told.
        without_pace: Who has items left and no pace yet.
        skips: How often each reason for leaving an item out was given.
    """

    session: FeedbackSession
    judges: tuple[Judge, ...]
    people: tuple[Person, ...]
    items: tuple[ItemRow, ...]
    places: tuple[Place, ...]
    held: tuple[Place, ...]
    answers: tuple[Answer, ...]
    wanted: int
    done: int
    done_by: datetime | None
    without_pace: tuple[Reviewer, ...]
    skips: Mapping[str, int]

    def count(self, state: str) -> int:
        """How many items are in one of `ITEM_STATES`."""
        return sum(row.state == state for row in self.items)


def board_of(session: FeedbackSession, *, now: datetime, hidden: Hidden | None = None) -> Board:
    """How the session stands; in six queries.

    Args:
        now: The time it is.
        hidden: Answers that whoever looks must not see yet; they are left out of `answers`.
    """
    hidden = hidden or Hidden()
    reviewers = list(session.reviewers.select_related("user").order_by("pk"))
    places = places_of(session)
    judges = tuple(
        each.judge
        for each in session.session_judges.select_related(
            "judge__experiment", "judge__current_version", "judge__guideline"
        )
    )
    items = item_rows(session, judges, places)
    by_reviewer: dict[int, list[Place]] = defaultdict(list)
    for place in places:
        by_reviewer[place.reviewer].append(place)
    people = tuple(
        _person(reviewer, by_reviewer[reviewer.pk], now=now)
        for reviewer in reviewers
        if reviewer.removed_at is None
        or any(place.state not in WAITING for place in by_reviewer[reviewer.pk])
    )
    present = [person for person in people if person.reviewer.removed_at is None]
    return Board(
        session=session,
        judges=judges,
        people=people,
        items=tuple(items),
        places=tuple(places),
        held=tuple(
            sorted(
                (place for place in places if place.is_held(now)),
                key=lambda place: (place.lease_until or now, place.pk),
            )
        ),
        answers=tuple(
            answer
            for answer in first_answers(session)
            if (answer.trace, answer.judge) not in hidden
        ),
        wanted=sum(row.wanted for row in items),
        done=sum(min(row.done, row.wanted) for row in items),
        done_by=forecast(
            now=now,
            left=[person.left for person in present],
            per_hour=[person.pace.per_hour for person in present],
        )
        if any(person.left for person in present)
        else None,
        without_pace=tuple(
            person.reviewer for person in present if person.left and person.pace.per_hour is None
        ),
        skips=Counter(
            place.reason
            for place in places
            if place.state == AssignmentState.SKIPPED and not place.is_warm_up
        ),
    )


def places_of(session: FeedbackSession) -> list[Place]:
    """Every place in the session, warm-up included, in the order of the batches; in one query."""
    rows = (
        Assignment.objects.filter(item__session=session)
        .order_by("reviewer", "position", "pk")
        .values_list(
            "pk",
            "item",
            "reviewer",
            "state",
            "lease_until",
            "heartbeat_at",
            "submitted_at",
            "given_back_at",
            "active_seconds",
            "reason",
            "reason_text",
            "is_extra",
            "item__is_warm_up",
            "is_third_opinion",
        )
    )
    return [
        Place(
            pk=pk,
            item=item,
            reviewer=reviewer,
            state=state,
            lease_until=lease_until,
            heartbeat_at=heartbeat_at,
            submitted_at=submitted_at,
            given_back_at=given_back_at,
            active_seconds=active_seconds,
            reason=reason,
            reason_text=reason_text,
            is_extra=is_extra,
            is_warm_up=is_warm_up,
            is_third_opinion=is_third_opinion,
        )
        for (
            pk, item, reviewer, state, lease_until, heartbeat_at, submitted_at, given_back_at, active_seconds, reason, reason_text,
            is_extra, is_warm_up, is_third_opinion,
        ) in rows
    ]  # fmt: skip


def item_rows(
    session: FeedbackSession, judges: Sequence[Judge], places: Iterable[Place]
) -> list[ItemRow]:
    """Where each item stands; in two queries."""
    done: Counter[int] = Counter()
    changed_at: dict[int, datetime] = {}
    for place in places:
        if place.state == AssignmentState.DONE and place.submitted_at and not place.is_extra:
            done[place.item] += 1
            before = changed_at.get(place.item, place.submitted_at)
            changed_at[place.item] = max(before, place.submitted_at)
    items = list(
        session.items.filter(is_warm_up=False)
        .select_related("trace")
        .defer("trace__inputs", "trace__outputs", "trace__metadata", "trace__search_text")
    )
    labels = Counter(
        Label.objects.filter(judge__in=judges, trace__session_items__session=session).values_list(
            "trace_id", flat=True
        )
    )
    return [
        ItemRow(
            item=item,
            done=done[item.pk],
            wanted=item.wanted,
            changed_at=changed_at.get(item.pk),
            state=item_state(
                done=done[item.pk],
                wanted=item.wanted,
                has_labels=labels[item.trace_id] >= len(judges),
            ),
        )
        for item in items
    ]


def item_state(*, done: int, wanted: int, has_labels: bool) -> str:
    """One of `ITEM_STATES`: nobody answered; some have; all have and no label came of it; all have and one did."""
    if not done:
        return "review"
    if done < wanted:
        return "others"
    return "settled" if has_labels else "settling"


def first_answers(session: FeedbackSession) -> list[Answer]:
    """What people said before they saw a verdict or corrected themselves, oldest first; in one query."""
    rows = (
        Assessment.objects.valid()
        .filter(
            assignment__item__session=session,
            assignment__item__is_warm_up=False,
            kind=Kind.FEEDBACK,
            source_type=Source.HUMAN,
            span_id="",
        )
        .order_by("created_at", "pk")
        .values_list(
            "name",
            "trace_id",
            "source_id",
            "value",
            "rationale",
            "declined_reason",
            "created_at",
            "first_answer",
            "first_answer__value",
            "first_answer__created_at",
        )
    )
    answers = [
        Answer(
            judge=name,
            trace=trace,
            person=person,
            value=value if first is None else first_value,
            reason=rationale,
            declined=declined,
            submitted_at=created_at if first is None else first_at,
        )
        for name, trace, person, value, rationale, declined, created_at, first, first_value, first_at in rows
    ]
    return sorted(answers, key=lambda answer: answer.submitted_at)


def _person(reviewer: Reviewer, places: Sequence[Place], *, now: datetime) -> Person:
    counted = [place for place in places if not place.is_warm_up]
    states = Counter(place.state for place in counted)
    left = sum(
        place.state in WAITING and place.given_back_at is None
        for place in counted
        if reviewer.removed_at is None
    )
    pace = pace_of(
        [place.submitted_at for place in counted if place.submitted_at is not None],
        [place.active_seconds for place in counted],
    )
    return Person(
        reviewer=reviewer,
        total=len(counted),
        done=states[AssignmentState.DONE],
        draft=states[AssignmentState.DRAFT],
        held=sum(place.is_held(now) for place in counted),
        skipped=states[AssignmentState.SKIPPED],
        flagged=states[AssignmentState.FLAGGED],
        left=left,
        pace=pace,
        done_by=now + timedelta(hours=left / pace.per_hour) if left and pace.per_hour else None,
        seen_at=max(
            (
                moment
                for place in places
                for moment in (place.heartbeat_at, place.submitted_at)
                if moment is not None
            ),
            default=None,
        ),
    )


def summary(sessions: Sequence[FeedbackSession]) -> dict[int, dict[str, Any]]:
    """Of each session (by pk): people, items, and how many answers are wanted and in; in three queries for all of them."""
    found: dict[int, dict[str, Any]] = {
        session.pk: {"people": 0, "items": 0, "wanted": 0, "done": 0} for session in sessions
    }
    pks = list(found)
    for session in Reviewer.objects.filter(session__in=pks, removed_at=None).values_list(
        "session_id", flat=True
    ):
        found[session]["people"] += 1
    wanted_of: dict[int, int] = {}
    session_of: dict[int, int] = {}
    for item, session, wanted in Item.objects.filter(session__in=pks, is_warm_up=False).values_list(
        "pk", "session_id", "wanted"
    ):
        found[session]["items"] += 1
        found[session]["wanted"] += wanted
        wanted_of[item], session_of[item] = wanted, session
    done = Counter(
        Assignment.objects.filter(
            item__session__in=pks,
            item__is_warm_up=False,
            state=AssignmentState.DONE,
            is_extra=False,
        ).values_list("item_id", flat=True)
    )
    for item, answers in done.items():
        if item in session_of:
            found[session_of[item]]["done"] += min(answers, wanted_of[item])
    return found
