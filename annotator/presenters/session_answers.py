"""The answers behind a number of a session's board, a line each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from annotator.models import AssignmentState, Judge, SkipReason
from annotator.models.hidden import Hidden
from annotator.presenters.session_board import item_words
from annotator.services.session_board import Answer, Board, ItemRow, Place
from judges.values import Value


@dataclass(frozen=True, kw_only=True)
class Said:
    """A value under a judge's name, or why there is none."""

    judge: Judge
    value: Value | None
    declined: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class AnswerRow:
    """An answer that somebody gave, owes, or will not give; `who` is empty where nobody has it."""

    trace_id: str
    words: str
    who: str
    said: tuple[Said, ...]
    state: str
    detail: str
    at: datetime | None


def rows_of_answers(board: Board, answers: Iterable[Answer]) -> list[AnswerRow]:
    """A line for each of these answers."""
    items = {row.item.trace_id: row for row in board.items}
    names, judges = _names(board), {judge.name: judge for judge in board.judges}
    return [
        AnswerRow(
            trace_id=items[answer.trace].item.trace.trace_id,
            words=item_words(items[answer.trace]),
            who=names.get(answer.person, answer.person),
            said=(_said(answer, judges[answer.judge]),),
            state="",
            detail="",
            at=answer.submitted_at,
        )
        for answer in answers
    ]


def rows_of_places(
    board: Board, *, hidden: Hidden, now: datetime, is_done: bool = False
) -> list[AnswerRow]:
    """A line for each answer that the session wants; or for those alone that are in.

    Where more have answered than an item wants now, the first ones count.
    """
    places: dict[int, list[Place]] = defaultdict(list)
    for place in board.places:
        places[place.item].append(place)
    line = _Lines(board, hidden, now)
    rows: list[AnswerRow] = []
    for row in board.items:
        given = [each for each in places[row.item.pk] if _is_given(each)]
        given.sort(key=lambda place: (place.submitted_at or now, place.pk))
        waiting = [each for each in places[row.item.pk] if each.pk in line.waiting]
        held = [*given, *([] if is_done else waiting)][: row.wanted]
        rows += [line.of(row, place) for place in held]
        if not is_done:
            rows += [line.of(row, None)] * (row.wanted - len(held))
    return rows


def rows_of_skips(board: Board, *, hidden: Hidden, now: datetime, reason: str) -> list[AnswerRow]:
    """A line for each time that an item was skipped for that reason."""
    items = {row.item.pk: row for row in board.items}
    line = _Lines(board, hidden, now)
    return [
        line.of(items[place.item], place)
        for place in board.places
        if place.state == AssignmentState.SKIPPED and place.reason == reason and place.item in items
    ]


class _Lines:
    """Makes lines of places, with what was said in them."""

    def __init__(self, board: Board, hidden: Hidden, now: datetime) -> None:
        self._hidden, self._now = hidden, now
        self._board = board
        self._people = {each.reviewer.pk: each.reviewer for each in board.people}
        present = {pk for pk, each in self._people.items() if each.removed_at is None}
        self.waiting = {
            place.pk
            for place in board.places
            if place.state in (AssignmentState.TODO, AssignmentState.DRAFT)
            and place.given_back_at is None
            and place.reviewer in present
        }
        self._judges = {judge.name: judge for judge in board.judges}
        self._said: dict[tuple[int, str], list[Answer]] = defaultdict(list)
        for answer in board.answers:
            self._said[answer.trace, answer.person].append(answer)

    def of(self, row: ItemRow, place: Place | None) -> AnswerRow:
        reviewer = self._people.get(place.reviewer) if place else None
        said = self._said[row.item.trace_id, reviewer.user.username] if reviewer else []
        return AnswerRow(
            trace_id=row.item.trace.trace_id,
            words=item_words(row),
            who=str(reviewer.user) if reviewer else "",
            said=tuple(_said(answer, self._judges[answer.judge]) for answer in said),
            state=self._state(row, place),
            detail=_detail(place),
            at=place.submitted_at if place else None,
        )

    def _state(self, row: ItemRow, place: Place | None) -> str:
        if place is None:
            return "Nobody has it"
        if _is_given(place):
            is_hidden = row.item.trace_id in self._hidden.traces
            return "Hidden until you have answered yourself" if is_hidden else ""
        return "Open now" if place.is_held(self._now) else AssignmentState(place.state).label


def _is_given(place: Place) -> bool:
    return place.state == AssignmentState.DONE and not place.is_extra


def _detail(place: Place | None) -> str:
    if place is None or place.state != AssignmentState.SKIPPED:
        return ""
    reason = SkipReason(place.reason).label if place.reason in SkipReason.values else ""
    return ": ".join(filter(None, (reason, place.reason_text)))


def _said(answer: Answer, judge: Judge) -> Said:
    return Said(judge=judge, value=answer.value, declined=answer.declined, reason=answer.reason)


def _names(board: Board) -> dict[str, str]:
    users = [each.reviewer.user for each in board.people]
    return {user.username: str(user) for user in users}
