"""A person's batch: its lines with their states, how far it is, and what the last page says."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from django.urls import reverse

from annotator.models import WAITING, Assignment, AssignmentState, FeedbackSession
from annotator.presenters.focus import item_address
from annotator.presenters.reading import shorten

FILTERS = {"": "All", "todo": "To do", "draft": "Drafts", "done": "Done", "skipped": "Skipped"}
SOON = timedelta(hours=1)
_LINE_LENGTH = 60


@dataclass(frozen=True)
class Line:
    """What a list needs to know of a person's place on an item.

    Attributes:
        pk: The assignment's.
        state: One of `AssignmentState`.
        given_back_at: Since when others may take the place; None while it is the person's.
        active_seconds: Time spent on it.
        preview: The first words of the trace; may be empty.
    """

    pk: int
    state: str
    given_back_at: datetime | None
    active_seconds: int
    is_shared: bool
    is_warm_up: bool
    trace_id: str
    preview: str

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is still to come."""
        return self.state in WAITING

    @property
    def text(self) -> str:
        """The first words of the item."""
        return shorten(self.preview, _LINE_LENGTH) or self.trace_id


@dataclass(frozen=True, kw_only=True)
class Place:
    """A line of the list."""

    pk: int
    number: int
    text: str
    state: str
    note: str
    address: str
    is_here: bool
    is_filtered: bool

    @property
    def state_word(self) -> str:
        """The state as it is read out."""
        words = {"todo": "to do", "taken": "answered by others"}
        return words.get(self.state, self.state)


@dataclass(frozen=True, kw_only=True)
class Filter:
    """One of the chips above the list."""

    name: str
    text: str
    address: str
    is_on: bool


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a batch is. What was skipped or flagged needs nothing more, and counts as dealt with."""

    done: int
    total: int
    shared: int

    @property
    def percent(self) -> int:
        """The share that is dealt with, in whole per cent."""
        return round(100 * self.done / self.total) if self.total else 0

    @property
    def left(self) -> int:
        """How many still wait."""
        return self.total - self.done


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch as the list of the review screen shows it."""

    session: FeedbackSession
    places: tuple[Place, ...]
    filters: tuple[Filter, ...]
    progress: Progress
    filter_word: str
    clear_address: str

    @property
    def all_filtered(self) -> bool:
        """Whether the filter hides everything."""
        return all(place.is_filtered for place in self.places)


@dataclass(frozen=True, kw_only=True)
class Rest:
    """What of a session waits for answers and is not in one's own batch; items shared by all are not counted.

    Attributes:
        free: Items whose places nobody has.
        held: Items that colleagues have open.
        people: How many colleagues those are.
        next_free_at: When the first of those holds ends by itself.
        waiting: Items in colleagues' batches, held or not.
    """

    free: int
    held: int
    people: int
    next_free_at: datetime | None
    waiting: int


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A person's own figures, shown to nobody else.

    Attributes:
        answered: Answers given.
        seconds: Time spent, in seconds.
        pace: The median time per answer, in seconds; None before the first.
        settled: How many of the answered items are settled by now.
        agreeing: How many of those were settled as the person had answered.
    """

    answered: int
    seconds: int
    pace: float | None
    settled: int = 0
    agreeing: int = 0


def progress_of(lines: Sequence[Line]) -> Progress:
    """How far a batch is."""
    return Progress(
        done=sum(1 for each in lines if not each.is_waiting),
        total=len(lines),
        shared=sum(1 for each in lines if each.is_shared),
    )


def batch_of(
    session: FeedbackSession,
    lines: Sequence[Line],
    *,
    here: Assignment,
    shown: str = "",
    taken: Collection[int] = (),
) -> Batch:
    """The list beside an item.

    Args:
        here: The item that is open.
        shown: The state that the list is narrowed to; empty for all.
        taken: The pks of those that others have answered meanwhile.
    """
    shown = shown if shown in FILTERS else ""
    address = item_address(session.pk, here.pk)
    return Batch(
        session=session,
        places=tuple(
            Place(
                pk=each.pk,
                number=number,
                text=each.text,
                state=_state(each, taken),
                note=_note(each),
                address=item_address(session.pk, each.pk),
                is_here=each.pk == here.pk,
                is_filtered=bool(shown) and _state(each, taken) != shown,
            )
            for number, each in enumerate(lines, start=1)
        ),
        filters=tuple(
            Filter(
                name=name,
                text=text,
                address=f"{address}?show={name}" if name else address,
                is_on=name == shown,
            )
            for name, text in FILTERS.items()
        ),
        progress=progress_of(lines),
        filter_word=FILTERS[shown].lower(),
        clear_address=address,
    )


def figures_of(lines: Sequence[Line], *, settled: int = 0, agreeing: int = 0) -> Figures:
    """A person's own figures over a batch."""
    done = [each for each in lines if each.state == AssignmentState.DONE]
    times = [each.active_seconds for each in done if each.active_seconds]
    return Figures(
        answered=sum(1 for each in done if not each.is_warm_up),
        seconds=sum(each.active_seconds for each in lines),
        pace=median(times) if times else None,
        settled=settled,
        agreeing=agreeing,
    )


def ends_soon(until: datetime | None, now: datetime) -> bool:
    """Whether less than an hour is left."""
    return until is not None and now <= until < now + SOON


def time_left(until: datetime | None, now: datetime) -> str:
    """The minutes that are left, in words; empty without an end."""
    if until is None:
        return ""
    minutes = -int((now - until).total_seconds() // 60)
    return f"{minutes} min left" if minutes > 0 else "Time is up"


def review_address(session: FeedbackSession) -> str:
    """Where a person's batch opens."""
    return reverse("batch-review", args=[session.pk])


def _state(line: Line, taken: Collection[int]) -> str:
    return "taken" if line.pk in taken else line.state.lower()


def _note(line: Line) -> str:
    if line.is_warm_up:
        return "warm-up"
    return "shared" if line.is_shared else ""
