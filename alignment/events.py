"""What a run tells while it works, and what an optimizer may know about the run it works in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from alignment.metric import Metric
from judges.errors import Cancelled
from judges.llm import Gateway


class Stage(StrEnum):
    """The stages of a run, in their order."""

    FREEZE = "FREEZE"
    SPLIT = "SPLIT"
    BASELINE = "BASELINE"
    OPTIMIZE = "OPTIMIZE"
    EVALUATE = "EVALUATE"
    GATE = "GATE"


@dataclass(frozen=True, kw_only=True)
class StageStarted:
    """A stage began."""

    stage: Stage


@dataclass(frozen=True, kw_only=True)
class StageFinished:
    """A stage ended; `text` is its result in one line."""

    stage: Stage
    text: str


@dataclass(frozen=True, kw_only=True)
class StepScored:
    """The optimizer finished a step.

    Attributes:
        step: Its number, from 1.
        steps: How many there are at most.
        scores: The scores of the step's candidates, from 0 to 1.
        best: The best of them; None when the step made no candidate.
        part: Which optimisation it belongs to under cross-validation ("fold 1 of 3"); else empty.
    """

    step: int
    steps: int
    scores: tuple[float, ...]
    best: float | None
    part: str = ""


@dataclass(frozen=True, kw_only=True)
class CallsEstimated:
    """How many model calls the whole run takes at most; None when the optimizer does not say."""

    calls: int | None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the stage is: `done` of `total` judgements."""

    stage: Stage
    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """A line for the run's log."""

    level: Literal["DEBUG", "INFO", "WARNING"]
    text: str


Event = StageStarted | StageFinished | StepScored | CallsEstimated | Progress | LogLine
Emit = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The `emit` of those who do not listen."""


def never() -> bool:
    """The `cancelled` of those who do not cancel."""
    return False


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """The run that an optimizer works in. Optional to it: `current_run()` is None outside a run.

    Attributes:
        gateway: Where model calls go, so that they are counted, paid for and stopped. Its `calls_left` is the budget.
        metric: What a verdict is worth.
        seed: The seed of the run.
        cancelled: Tells whether the run was cancelled.
        listener: Gets the events.
        part: Which optimisation this is under cross-validation ("fold 1 of 3"); else empty.
    """

    gateway: Gateway
    metric: Metric
    seed: int = 0
    cancelled: Callable[[], bool] = never
    listener: Emit = ignore
    part: str = ""
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)

    def emit(self, event: Event) -> None:
        """Tell the run's owner something; one event at a time, whichever thread it comes from."""
        with self._lock:
            self.listener(event)

    def progress(self, done: int, total: int) -> None:
        """Say how far the optimizer is."""
        self.emit(Progress(stage=Stage.OPTIMIZE, done=done, total=total))

    def say(self, text: str) -> None:
        """Put a line into the run's log."""
        self.emit(LogLine(level="INFO", text=text))

    @property
    def calls_left(self) -> int | None:
        """Model calls that the optimizer may still make; None for no bound."""
        return self.gateway.calls_left

    def stop_if_cancelled(self) -> None:
        """Leave when the run was cancelled.

        Raises:
            Cancelled: when it was.
        """
        if self.cancelled():
            raise Cancelled("The run was cancelled.")


_current: ContextVar[RunContext | None] = ContextVar("alignment_run", default=None)


def current_run() -> RunContext | None:
    """The run that the calling optimizer works in, or None in a notebook."""
    return _current.get()


@contextmanager
def use_run(context: RunContext) -> Iterator[RunContext]:
    """Make `context` the current run inside the block, in this thread."""
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)
