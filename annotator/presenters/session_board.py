"""A lead's board as the page shows it: every figure with the address of the list behind it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from alignment.sides import Side
from annotator.models import AssignmentState, FeedbackSession, Judge, SkipReason
from annotator.presenters.plot import Plot, PlotPoint, line_plot, ticks_for
from annotator.presenters.session_rows import Bar, clock, done_by_text, person_bar
from annotator.presenters.words import FigureView, count, duration, kappa_view, number, percent
from annotator.services.session_agreement import SessionAgreement
from annotator.services.session_board import Answer, Board, ItemRow, Person, Place
from judges.values import value_key

SHOWN_CARDS = 12
ALPHA = "\N{GREEK SMALL LETTER ALPHA}"
COLUMNS = (
    ("review", "Needs review", "Nobody has answered yet"),
    ("others", "Needs others", "Some have answered, not all that are to"),
    ("settling", "Needs settling", "All answers are in, and no label came of them"),
    ("settled", "Settled", "All answers are in, and they made a label"),
)
NO_REASON = "none"
SIDES = ((Side.POSITIVE, "positive"), (Side.NEUTRAL, "neutral"), (Side.NEGATIVE, "negative"))


@dataclass(frozen=True, kw_only=True)
class Count:
    """A number and the list behind it."""

    value: int
    href: str


@dataclass(frozen=True, kw_only=True)
class PersonRow:
    """A reviewer's row."""

    person: Person
    bar: Bar
    counts: tuple[tuple[str, Count], ...]
    total: Count
    median_seconds: float | None
    done_href: str
    done_by: str
    until: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """An item in a column, and since when it has been there."""

    row: ItemRow
    words: str
    since: datetime | None


@dataclass(frozen=True, kw_only=True)
class Column:
    """One of the four states of items."""

    state: str
    title: str
    help: str
    total: Count
    cards: tuple[Card, ...]
    more: int


@dataclass(frozen=True, kw_only=True)
class HeldRow:
    """An item that somebody has open, with the time until the hold ends by itself."""

    place: Place
    words: str
    who: str
    left: str


@dataclass(frozen=True, kw_only=True)
class MixPart:
    """A side's share of the answers, in the bar and in words."""

    side: str
    count: Count
    share: str
    x: float
    width: float


@dataclass(frozen=True, kw_only=True)
class JudgeFigures:
    """What the answers say so far under one judge's name."""

    judge: Judge
    agreement: FigureView
    plot: Plot | None
    growth: tuple[tuple[Count, str], ...]
    mix: tuple[MixPart, ...]
    targets: tuple[float, ...]
    target: str
    answers: Count
    reasons: Count
    reason_share: str
    compared: Count
    differ: Count


@dataclass(frozen=True, kw_only=True)
class BoardView:
    """Everything the template draws."""

    coverage: str
    coverage_bar: float
    wanted: Count
    done: Count
    forecast: str
    why_no_forecast: str
    people: tuple[PersonRow, ...]
    columns: tuple[Column, ...]
    held: tuple[HeldRow, ...]
    judges: tuple[JudgeFigures, ...]
    skips: tuple[tuple[str, Count], ...] = field(default=())


def board_view(board: Board, agreement: Sequence[SessionAgreement], *, now: datetime) -> BoardView:
    """The board for the template."""
    session = board.session
    zone = session.zone
    names = {person.reviewer.pk: str(person.reviewer.user) for person in board.people}
    words_of = {row.item.pk: item_words(row) for row in board.items}
    return BoardView(
        coverage=percent(board.done / board.wanted) if board.wanted else "nothing asked",
        coverage_bar=round(100 * board.done / board.wanted, 2) if board.wanted else 0.0,
        wanted=Count(value=board.wanted, href=answers_href(session.pk, asked="all")),
        done=Count(value=board.done, href=answers_href(session.pk, asked="done")),
        forecast=done_by_text(board.done_by, zone, now=now),
        why_no_forecast=_why_no_forecast(board),
        people=tuple(_person(session, person, now=now) for person in board.people),
        columns=tuple(_column(board, *column) for column in COLUMNS),
        held=tuple(
            HeldRow(
                place=place,
                words=words_of.get(place.item, "a warm-up item"),
                who=names.get(place.reviewer, "somebody"),
                left=duration((place.lease_until - now).total_seconds())
                if place.lease_until
                else "",
            )
            for place in board.held
        ),
        judges=tuple(_judge(board, each) for each in agreement),
        skips=tuple(
            (
                SkipReason(reason).label if reason in SkipReason.values else "No reason given",
                Count(
                    value=times,
                    href=answers_href(session.pk, skipped=reason or NO_REASON),
                ),
            )
            for reason, times in Counter(board.skips).most_common()
        ),
    )


def differing(answers: Iterable[Answer]) -> set[int]:
    """The pks of traces on which two people gave different values; all answers are under one judge's name."""
    values: dict[int, set[str]] = defaultdict(set)
    for answer in answers:
        if answer.value is not None:
            values[answer.trace].add(value_key(answer.value))
    return {trace for trace, given in values.items() if len(given) > 1}


def compared(answers: Iterable[Answer]) -> set[int]:
    """The pks of traces that two people or more gave a value; these the agreement is worked out from."""
    people: Counter[int] = Counter(answer.trace for answer in answers if answer.value is not None)
    return {trace for trace, many in people.items() if many > 1}


def answers_href(session: int, **wanted: Any) -> str:
    """The address of a session's list of answers, narrowed down; empty values are left out."""
    query = urlencode({name: value for name, value in wanted.items() if value not in ("", None)})
    return f"{reverse('session-answers', args=[session])}?{query}"


def items_href(session: int, **wanted: Any) -> str:
    """The address of a session's list of items, narrowed down; empty values are left out."""
    query = urlencode({name: value for name, value in wanted.items() if value not in ("", None)})
    return reverse("session-items", args=[session]) + (f"?{query}" if query else "")


def item_words(row: ItemRow) -> str:
    """The first words of an item's trace, or its id."""
    return row.item.trace.request_preview or row.item.trace.trace_id


def _person(session: FeedbackSession, person: Person, *, now: datetime) -> PersonRow:
    own_end, zone = person.reviewer.closes_at, session.zone
    is_longer = own_end is not None and own_end == session.closes_for(own_end)

    def counted(value: int, **wanted: Any) -> Count:
        return Count(
            value=value, href=items_href(session.pk, reviewer=person.reviewer.pk, **wanted)
        )

    return PersonRow(
        person=person,
        bar=person_bar(person),
        counts=(
            ("Done", counted(person.done, place=AssignmentState.DONE)),
            ("Draft", counted(person.draft, place=AssignmentState.DRAFT)),
            ("Open now", counted(person.held, place="HELD")),
            ("Skipped", counted(person.skipped, place=AssignmentState.SKIPPED)),
            ("Flagged", counted(person.flagged, place=AssignmentState.FLAGGED)),
        ),
        total=counted(person.total),
        median_seconds=person.pace.median_seconds,
        done_href=counted(person.done, place=AssignmentState.DONE).href,
        done_by=done_by_text(person.done_by, zone, now=now),
        until=clock(own_end, zone) if own_end and is_longer else "",
    )


def _column(board: Board, state: str, title: str, help: str) -> Column:
    rows = [row for row in board.items if row.state == state]
    shown = rows[:SHOWN_CARDS]
    return Column(
        state=state,
        title=title,
        help=help,
        total=Count(value=len(rows), href=items_href(board.session.pk, state=state)),
        cards=tuple(
            Card(
                row=row,
                words=f"{row.done} of {count(row.wanted, 'answer')}",
                since=row.changed_at or board.session.opened_at,
            )
            for row in shown
        ),
        more=len(rows) - len(shown),
    )


def _judge(board: Board, each: SessionAgreement) -> JudgeFigures:
    judge, session = each.judge, board.session.pk
    answers = [answer for answer in board.answers if answer.judge == judge.name]
    reasons = sum(bool(answer.reason) for answer in answers)
    points = [
        PlotPoint(
            label=str(point.answers),
            value=point.alpha.value,
            low=point.alpha.low,
            high=point.alpha.high,
            title=f"After {point.answers} answers: {ALPHA} {number(point.alpha.value)}"
            if point.alpha.value is not None
            else "",
            strong=point is each.points[-1],
        )
        for point in each.points
    ]
    plottable = [point for point in points if point.value is not None]
    share = judge.minimum_share
    has_sides = judge.sides.is_decided
    return JudgeFigures(
        judge=judge,
        agreement=kappa_view("Agreement among the reviewers", each.now, symbol=ALPHA),
        plot=line_plot(points, ticks=ticks_for([point.low for point in plottable]))
        if len(plottable) > 1
        else None,
        growth=tuple(
            (
                Count(
                    value=point.answers,
                    href=answers_href(session, judge=judge.pk, first=point.answers),
                ),
                kappa_view("", point.alpha, symbol=ALPHA).sentence,
            )
            for point in each.points
            if point.alpha.value is not None
        ),
        mix=_mix(board, judge, answers) if has_sides else (),
        targets=(round(100 * share, 1), round(100 - 100 * share, 1)) if has_sides else (),
        target=percent(share),
        answers=Count(value=len(answers), href=answers_href(session, judge=judge.pk)),
        reasons=Count(value=reasons, href=answers_href(session, judge=judge.pk, with_reason="yes")),
        compared=Count(
            value=len(compared(answers)),
            href=items_href(session, judge=judge.pk, compared="yes"),
        ),
        reason_share=percent(reasons / len(answers)) if answers else "",
        differ=Count(
            value=len(differing(answers)), href=items_href(session, judge=judge.pk, differ="yes")
        ),
    )


def _mix(board: Board, judge: Judge, answers: Sequence[Any]) -> tuple[MixPart, ...]:
    valued = [answer.value for answer in answers if answer.value is not None]
    sides = Counter(judge.side_of(value) for value in valued)
    parts: list[MixPart] = []
    at = 0.0
    for side, name in SIDES:
        share = sides[side] / len(valued) if valued else 0.0
        if sides[side] or side is not Side.NEUTRAL:
            parts.append(
                MixPart(
                    side=name,
                    count=Count(
                        value=sides[side],
                        href=answers_href(board.session.pk, judge=judge.pk, side=name),
                    ),
                    share=percent(share) if valued else "none yet",
                    x=round(100 * at, 2),
                    width=round(100 * share, 2),
                )
            )
        at += share
    return tuple(parts)


def _why_no_forecast(board: Board) -> str:
    if board.done_by is not None or not any(person.left for person in board.people):
        return ""
    names = [str(reviewer.user) for reviewer in board.without_pace[:3]]
    more = len(board.without_pace) - len(names)
    if not names:
        return ""
    who = ", ".join(names) + (f" and {more} more" if more > 0 else "")
    have = "has" if len(board.without_pace) == 1 else "have"
    return f"No forecast yet: {who} {have} answered too few to tell a pace."
