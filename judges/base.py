"""The public contract: a judge, and an optimizer that makes a better one. It fits on one screen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from judges.entities import Feedback, Trace


class AlignmentOptimizer(ABC):
    """Makes a new judge that agrees better with people, from traces that carry verdicts and human feedback.

    Subclass it and implement `align`; nothing else is required. Options are keyword-only constructor arguments
    with JSON-able defaults, so that a run can be repeated from its row.

    Attributes:
        min_examples: Fewest labelled traces it can work with.
    """

    min_examples: int = 10

    @abstractmethod
    def align(self, judge: Judge, traces: Sequence[Trace]) -> Judge:
        """A new judge; the one given stays as it is.

        Raises:
            NotEnoughFeedbackError: when the traces do not suffice. It says what is missing.
            OptimizerError: when no usable judge came out.
        """


class Judge(ABC):
    """Gives a typed verdict with a reason on a case."""

    name: str
    instructions: str
    model: str

    @abstractmethod
    def __call__(
        self,
        *,
        inputs: Any = None,
        outputs: Any = None,
        expectations: Any = None,
        trace: Trace | None = None,
    ) -> Feedback:
        """The verdict on the fields given, or on a trace.

        Raises:
            InvalidTraceError: when a field that the instructions use is neither given nor in the trace.
            JudgeCallError: when the model gave no usable verdict.
        """

    def align(
        self,
        traces: Sequence[Trace] | AlignmentOptimizer,
        optimizer: AlignmentOptimizer | Sequence[Trace] | None = None,
    ) -> Judge:
        """A new judge aligned with the human feedback on the traces.

        Both argument orders of MLflow's manual are taken. Without an optimizer the default one, SIMBA, is used.

        Raises:
            NotEnoughFeedbackError: when the traces do not suffice. It says what is missing.
        """
        if isinstance(traces, AlignmentOptimizer):
            traces, optimizer = optimizer, traces  # type: ignore[assignment]
        if optimizer is None:
            from alignment.plugins import build_optimizer

            optimizer = build_optimizer("simba", model=self.model)
        return optimizer.align(self, traces)  # type: ignore[arg-type, union-attr]
