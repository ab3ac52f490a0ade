"""What kind of failure ended a run, and the border to optimizers that others wrote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from judges.base import AlignmentOptimizer
from judges.errors import (
    BudgetExceededError,
    Cancelled,
    InvalidTraceError,
    JudgeCallError,
    JudgeError,
    NotEnoughFeedbackError,
    OptimizerError,
)


class ErrorKind(StrEnum):
    """What kind of failure ended a run: it tells people whom to ask and whether trying again may help."""

    DATA = "DATA"
    PROVIDER = "PROVIDER"
    BUDGET = "BUDGET"
    CANCELLED = "CANCELLED"
    OPTIMIZER = "OPTIMIZER"


def error_kind(error: BaseException) -> ErrorKind | None:
    """The kind of a failure; None for one that nobody expected."""
    kinds: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], ErrorKind], ...] = (
        (Cancelled, ErrorKind.CANCELLED),
        (BudgetExceededError, ErrorKind.BUDGET),
        ((NotEnoughFeedbackError, InvalidTraceError), ErrorKind.DATA),
        (JudgeCallError, ErrorKind.PROVIDER),
        (JudgeError, ErrorKind.OPTIMIZER),
    )
    return next((kind for types, kind in kinds if isinstance(error, types)), None)


class Aborted(BaseException):
    """Carries a failure out of DSPy or GEPA, which would swallow an Exception. `cause` is what happened."""

    def __init__(self, cause: JudgeError) -> None:
        super().__init__(str(cause))
        self.cause = cause


@contextmanager
def optimizer_failures(optimizer: AlignmentOptimizer) -> Iterator[None]:
    """Turn whatever goes wrong inside an optimizer into a typed error; typed ones pass as they are.

    Raises:
        OptimizerError: with the optimizer's name and the original error as its cause.
    """
    name = type(optimizer).__name__
    try:
        yield
    except (NotEnoughFeedbackError, OptimizerError, BudgetExceededError, JudgeCallError):
        raise
    except (
        Exception
    ) as error:  # an optimizer may be anybody's code; its bugs must not look like ours
        raise OptimizerError(f"{name} failed: {type(error).__name__}: {error}") from error
