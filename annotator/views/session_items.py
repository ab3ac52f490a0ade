"""The lists behind the numbers of a session's board."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from annotator.http import AuthedRequest
from annotator.models import AssignmentState, Role, SkipReason
from annotator.models.hidden import hidden_from
from annotator.permissions import role_required
from annotator.presenters.session_board import COLUMNS, compared, differing, item_words
from annotator.presenters.words import duration
from annotator.services.session_board import Board, ItemRow, Place, board_of
from annotator.views.sessions import get_led_session

A_PAGE = 100
HELD = "HELD"
_PLACES = {**dict(AssignmentState.choices), HELD: "Open now"}
_STATES = {state: title for state, title, _ in COLUMNS}


@dataclass(frozen=True, kw_only=True)
class PlaceWords:
    """One reviewer's place on an item, in words."""

    who: str
    state: str
    detail: str


@require_GET
@role_required(Role.LEAD)
def session_items(request: AuthedRequest, pk: int) -> HttpResponse:
    """A session's items, narrowed down by what a number of the board counts; a wrong filter says so and is left out."""
    session = get_led_session(request, pk)
    now = timezone.now()
    hidden = hidden_from(request.user)
    board = board_of(session, now=now, hidden=hidden)
    places: dict[int, list[Place]] = defaultdict(list)
    for place in board.places:
        places[place.item].append(place)
    wanted = _Wanted(request.GET, board)
    rows = [row for row in board.items if wanted.fits(row, places[row.item.pk], now)]
    page = Paginator(rows, A_PAGE).get_page(request.GET.get("page"))
    kept = request.GET.copy()
    kept.pop("page", None)
    names = {person.reviewer.pk: str(person.reviewer.user) for person in board.people}
    ctx = {
        "session": session,
        "filters": wanted.words,
        "problems": wanted.problems,
        "total": len(rows),
        "page": page,
        "kept": kept.urlencode(),
        "left_out": wanted.by_answer
        and bool(hidden.traces & {row.item.trace_id for row in board.items}),
        "rows": [
            {
                "row": row,
                "words": item_words(row),
                "state": _STATES[row.state],
                "places": [
                    _place_words(place, names, now)
                    for place in places[row.item.pk]
                    if place.reviewer in names
                ],
            }
            for row in page.object_list
        ],
    }
    return render(request, "sessions/items.html", ctx)


def _place_words(place: Place, names: dict[int, str], now: Any) -> PlaceWords:
    details = []
    if place.reason in SkipReason.values:
        details.append(SkipReason(place.reason).label.lower())
    if place.reason_text:
        details.append(f"“{place.reason_text}”")
    if place.active_seconds:
        details.append(duration(place.active_seconds))
    if place.is_extra:
        details.append("one more than asked for")
    held = place.is_held(now)
    return PlaceWords(
        who=names[place.reviewer],
        state=_PLACES[HELD] if held else _PLACES.get(place.state, place.state),
        detail=", ".join(details),
    )


def _is_among(traces: set[int]) -> Callable[[ItemRow], bool]:
    return lambda row: row.item.trace_id in traces


class _Wanted:
    """What the query string asks for: tests that all must hold, and the same in words."""

    def __init__(self, query: Any, board: Board) -> None:
        self.words: list[str] = []
        self.problems: list[str] = []
        self.by_answer = False
        self._of_item: list[Callable[[ItemRow], bool]] = []
        self._of_place: list[Callable[[Place, Any], bool]] = []
        self._board = board
        self._read_state(query.get("state", ""))
        if query.get("shared"):
            self.words.append("Shared by all")
            self._of_item.append(lambda row: row.item.is_shared)
        self._read_reviewer(query.get("reviewer", ""))
        self._read_place(query.get("place", ""))
        self._read_answers(query)

    def fits(self, row: ItemRow, places: list[Place], now: Any) -> bool:
        """Whether the item is one of those counted. One place must fulfil all that is asked of places."""
        if not all(test(row) for test in self._of_item):
            return False
        if not self._of_place:
            return True
        return any(all(test(place, now) for test in self._of_place) for place in places)

    def _read_state(self, state: str) -> None:
        if state in _STATES:
            self.words.append(_STATES[state])
            self._of_item.append(lambda row: row.state == state)
        elif state:
            self.problems.append(f"There is no state “{state[:40]}” of items.")

    def _read_reviewer(self, pk: str) -> None:
        person = next((each for each in self._board.people if str(each.reviewer.pk) == pk), None)
        if person is not None:
            self.words.append(str(person.reviewer.user))
            self._of_place.append(lambda place, now: place.reviewer == person.reviewer.pk)
        elif pk:
            self.problems.append("That person does not review in this session.")

    def _read_place(self, place_state: str) -> None:
        if not place_state:
            return
        if place_state not in _PLACES:
            self.problems.append(f"There is no state “{place_state[:40]}” of an answer.")
            return
        self.words.append(_PLACES[place_state])
        if place_state == HELD:
            self._of_place.append(lambda place, now: place.is_held(now))
        else:
            self._of_place.append(lambda place, now: place.state == place_state)

    def _read_answers(self, query: Any) -> None:
        asked = [name for name in ("differ", "compared") if query.get(name)]
        if not asked:
            return
        judge = next(
            (each for each in self._board.judges if str(each.pk) == query.get("judge")), None
        )
        if judge is None:
            self.problems.append("Name a judge of this session for this list.")
            return
        self.by_answer = True
        answers = [answer for answer in self._board.answers if answer.judge == judge.name]
        if "differ" in asked:
            self.words.append("People differ")
            self._of_item.append(_is_among(differing(answers)))
        if "compared" in asked:
            self.words.append("Answered by two or more")
            self._of_item.append(_is_among(compared(answers)))
