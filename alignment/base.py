"""What the built-in optimizers share: reading the traces, checking that they suffice, saying at once what is done."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from alignment.events import LogLine, RunContext, current_run
from alignment.labels import Example, Examples, LabelRule, Side, Sides, examples_from_traces
from alignment.metric import Metric
from alignment.readiness import Thresholds, additions
from judges.base import AlignmentOptimizer, Judge
from judges.entities import Trace
from judges.errors import NotEnoughFeedbackError, OptimizerError
from judges.instructions import InstructionsJudge
from judges.llm import current_gateway
from judges.values import value_key


class LabelledOptimizer(AlignmentOptimizer):
    """Base of optimizers that learn from labelled examples. Subclasses implement `propose` and `estimate`.

    Args:
        model: Answers the optimizer's own questions; None means the judge's model.
        seed: Same traces, same seed, same answers: same result. Inside a run the run's seed stands.

    Attributes:
        candidates_: After `align` the best other proposals, best first.
    """

    title: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    logger: ClassVar[logging.Logger]

    def __init__(self, model: str | None = None, *, seed: int = 0) -> None:
        self.model = model
        self.seed = seed
        self.candidates_: tuple[InstructionsJudge, ...] = ()

    @abstractmethod
    def estimate(self, n: int) -> int:
        """Most model calls that an alignment with n examples takes."""

    @abstractmethod
    def propose(
        self, judge: InstructionsJudge, examples: Sequence[Example], context: RunContext
    ) -> Sequence[InstructionsJudge]:
        """Judges that may agree better, the best first; empty when there is none.

        Args:
            judge: The judge as it is.
            examples: What to learn from; the judge does not agree with all of them.
            context: The run: its gateway, which is the budget, its metric, its seed.
        """

    def align(self, judge: Judge, traces: Sequence[Trace]) -> InstructionsJudge:
        """A new judge that agrees better with the human feedback on the traces.

        Raises:
            NotEnoughFeedbackError: when the traces do not suffice. It says what is missing.
            ProviderError: when a model cannot be reached or refuses.
            OptimizerError: when the judge is not one made from instructions.
            BudgetExceededError: when the gateway's budget is used up.
        """
        if not isinstance(judge, InstructionsJudge):
            raise OptimizerError(
                f"{type(judge).__name__} cannot be aligned; make the judge with make_judge."
            )
        self.candidates_ = ()
        sides = Sides.default_for(judge.value_type)
        found = examples_from_traces(
            judge.name, traces, LabelRule.SINGLE, sides, value_type=judge.value_type
        )
        context = current_run()
        if context is None:  # a run has checked its whole set, of which this may be a part
            context = RunContext(
                gateway=current_gateway(),
                metric=Metric(value_type=judge.value_type, sides=sides),
                seed=self.seed,
            )
            self._check_enough(found, sides)
        elif not found.usable:
            raise NotEnoughFeedbackError(["labels with a verdict"])
        n = len(found.usable)
        self.logger.info(
            "Starting %s optimization with %d examples (set logging to DEBUG for detailed output)",
            self.title,
            n,
        )
        if all(_agrees(example) for example in found.usable):
            self.tell(
                context, "Already aligned: the judge agrees with every label. Nothing was tried."
            )
            return judge
        proposals = self.propose(judge, found.usable, context)
        self.logger.info("%s optimization completed", self.title)
        self.candidates_ = tuple(proposals[1:])
        return proposals[0] if proposals else judge

    def tell(self, context: RunContext, text: str) -> None:
        """Say something that the owner of the run has to know."""
        self.logger.warning("%s", text)
        context.emit(LogLine(level="WARNING", text=text))

    def note(self, context: RunContext, text: str) -> None:
        """Say something for the detailed output."""
        self.logger.debug("%s", text)
        context.emit(LogLine(level="DEBUG", text=text))

    def _check_enough(self, found: Examples, sides: Sides) -> None:
        counts = Counter(example.side for example in found.usable)
        thresholds = Thresholds(minimum=self.min_examples)
        is_one_sided = sides.is_decided and not (counts[Side.POSITIVE] and counts[Side.NEGATIVE])
        if len(found.usable) >= self.min_examples and not is_one_sided:
            return
        if not sides.is_decided:
            thresholds = Thresholds(minimum=self.min_examples, min_share=0.0)
        missing = additions(counts, thresholds).sentences()
        for text, count in Counter(reason.text for _, reason in found.excluded).most_common():
            missing.append(
                f"{count} {'trace was' if count == 1 else 'traces were'} left out: {text.rstrip('.')}"
            )
        raise NotEnoughFeedbackError(missing)


def check_whole_number(name: str, value: object, least: int) -> None:
    """Refuse an option that is no whole number or too small.

    Raises:
        ValueError: that says so.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}.")


def _agrees(example: Example) -> bool:
    return example.verdict_value is not None and value_key(example.verdict_value) == value_key(
        example.value
    )
