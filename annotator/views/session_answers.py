"""The lists of answers behind the numbers of a session's board."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from annotator.http import AuthedRequest
from annotator.models import Judge, Role, SkipReason
from annotator.models.hidden import Hidden, hidden_from
from annotator.permissions import role_required
from annotator.presenters.session_answers import (
    AnswerRow,
    rows_of_answers,
    rows_of_places,
    rows_of_skips,
)
from annotator.presenters.session_board import NO_REASON, SIDES
from annotator.presenters.words import count
from annotator.services.session_board import Answer, Board, board_of
from annotator.views.sessions import get_led_session

A_PAGE = 100
_SIDES = {name: side for side, name in SIDES}


@require_GET
@role_required(Role.LEAD)
def session_answers(request: AuthedRequest, pk: int) -> HttpResponse:
    """The answers that a number of the board counts; a wrong filter says so and is left out."""
    session = get_led_session(request, pk)
    now = timezone.now()
    hidden = hidden_from(request.user)
    board = board_of(session, now=now, hidden=hidden)
    listed = _Listed(request.GET, board, hidden, now)
    page = Paginator(listed.rows, A_PAGE).get_page(request.GET.get("page"))
    kept = request.GET.copy()
    kept.pop("page", None)
    ctx: dict[str, Any] = {
        "session": session,
        "title": listed.title,
        "filters": listed.words,
        "problems": listed.problems,
        "total": len(listed.rows),
        "page": page,
        "rows": page.object_list,
        "kept": kept.urlencode(),
        "many_judges": len(board.judges) > 1,
        "left_out": listed.by_answer
        and bool(hidden.traces & {row.item.trace_id for row in board.items}),
    }
    return render(request, "sessions/answers.html", ctx)


class _Listed:
    """What the query string asks for: the lines, and the filter in words."""

    def __init__(self, query: QueryDict, board: Board, hidden: Hidden, now: datetime) -> None:
        self.words: list[str] = []
        self.problems: list[str] = []
        self.by_answer = False
        self._board = board
        reason, asked = query.get("skipped", ""), query.get("asked", "")
        self.rows: list[AnswerRow]
        if reason:
            self._say_reason(reason)
            wanted = "" if reason == NO_REASON else reason
            self.rows = rows_of_skips(board, hidden=hidden, now=now, reason=wanted)
            self.title = f"Skipped {count(len(self.rows), 'time')}"
        elif asked or not query.get("judge"):
            is_done = asked == "done"
            if asked not in ("", "all", "done"):
                self.problems.append(f"There are no answers “{asked[:40]}”: all or done.")
            self.rows = rows_of_places(board, hidden=hidden, now=now, is_done=is_done)
            self.title = f"{count(len(self.rows), 'answer')} {'given' if is_done else 'asked for'}"
        else:
            self.by_answer = True
            self.rows = rows_of_answers(board, self._answers(query))
            self.title = count(len(self.rows), "answer")

    def _say_reason(self, reason: str) -> None:
        if reason in SkipReason.values:
            self.words.append(SkipReason(reason).label)
        elif reason != NO_REASON:
            self.problems.append(f"There is no reason “{reason[:40]}” to skip an item.")

    def _answers(self, query: QueryDict) -> list[Answer]:
        judge = next(
            (each for each in self._board.judges if str(each.pk) == query.get("judge")), None
        )
        if judge is None:
            self.problems.append("Name a judge of this session for this list.")
            return list(self._board.answers)
        self.words.append(judge.name)
        answers = [answer for answer in self._board.answers if answer.judge == judge.name]
        if query.get("with_reason"):
            self.words.append("With a reason")
            answers = [answer for answer in answers if answer.reason]
        answers = self._on_side(judge, answers, query.get("side", ""))
        return self._first(answers, query.get("first", ""))

    def _on_side(self, judge: Judge, answers: list[Answer], name: str) -> list[Answer]:
        side = _SIDES.get(name)
        if side is None:
            if name:
                self.problems.append("A side is positive, neutral or negative.")
            return answers
        self.words.append(f"Counts as {name}")
        return [
            answer
            for answer in answers
            if answer.value is not None and judge.side_of(answer.value) is side
        ]

    def _first(self, answers: list[Answer], many: str) -> list[Answer]:
        if not many:
            return answers
        if not many.isdecimal() or len(many) > 9:
            self.problems.append("Say the first how many answers as a number.")
            return answers
        self.words.append(f"The first {many}")
        return [answer for answer in answers if answer.value is not None][: int(many)]
