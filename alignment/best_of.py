"""Best of: guidelines first, because they cost almost nothing; then GEPA and SIMBA from there, as far as the budget goes.

Everything is measured on examples that it did not learn from, within one budget, and the best is kept. Few calls are
spent where the guidelines alone already agree with the experts.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from alignment.base import LabelledOptimizer, check_whole_number
from alignment.evaluation import judge_all
from alignment.events import RunContext, Stage, StepScored
from alignment.gepa import GEPAAlignmentOptimizer, learn_and_validate
from alignment.guidelines import Distilled, as_text, distil, most_calls, recurring
from alignment.labels import Example
from alignment.memory import remember
from alignment.simba import SIMBAAlignmentOptimizer
from judges.errors import BudgetExceededError
from judges.instructions import InstructionsJudge
from judges.llm import Allowance
from judges.memory import Memory

MOST_CANDIDATES = 3
MOST_GUIDELINES = 12
STEPS = 5
PARTS = 3


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """A judge and what its verdicts are worth on the validation part, 0 to 1."""

    name: str
    judge: InstructionsJudge
    worth: float


class BestOfAlignmentOptimizer(LabelledOptimizer):
    """Distils guidelines, lets GEPA and SIMBA start from them, and keeps what does best on examples set aside.

    Args:
        model: Distils and rewrites; None means the judge's model. A stronger one than the judge's pays.
        seed: Same traces, same seed, same answers: same result.
        max_calls: Model calls it may take in all; it takes not one more. From about 500 on SIMBA gets its turn.
        examples: How many similar labelled cases each verdict may be shown, where that does better; 0 never does.
    """

    title: ClassVar[str] = "Best of"
    version: ClassVar[str] = "1"
    logger: ClassVar[logging.Logger] = logging.getLogger("alignment.optimizers.best_of")

    def __init__(
        self,
        model: str | None = None,
        *,
        seed: int = 0,
        max_calls: int = 250,
        examples: int = 3,
    ) -> None:
        super().__init__(model, seed=seed)
        check_whole_number("max_calls", max_calls, 10)
        check_whole_number("examples", examples, 0)
        self.max_calls = max_calls
        self.examples = examples

    def estimate(self, n: int) -> int:
        """Most model calls that an alignment with n examples takes: its budget."""
        return self.max_calls

    def propose(
        self, judge: InstructionsJudge, examples: Sequence[Example], context: RunContext
    ) -> Sequence[InstructionsJudge]:
        """What does better than the judge on the validation part, the best first."""
        left = context.gateway.calls_left
        budget = self.max_calls if left is None else min(self.max_calls, left)
        own = replace(context, gateway=Allowance(context.gateway, max_calls=budget))
        learn, validate = learn_and_validate(judge.name, examples, share=0.4)
        race = _Race(self, judge, validate, own)
        try:
            race.run(learn, examples)
        except BudgetExceededError:
            self.note(context, f"Best of ends: its {budget} calls are used up.")
        return race.better()[: MOST_CANDIDATES + 1]


class _Race:
    """The candidates so far, and how each is entered."""

    def __init__(
        self,
        optimizer: BestOfAlignmentOptimizer,
        judge: InstructionsJudge,
        validate: Sequence[Example],
        context: RunContext,
    ) -> None:
        self._optimizer = optimizer
        self._judge = judge
        self._validate = validate
        self._context = context
        self._entered: list[_Scored] = []
        self._model = optimizer.model or judge.model

    def run(self, learn: Sequence[Example], everything: Sequence[Example]) -> None:
        """Enter one candidate after the other, the cheap ones first, until one is perfect or the budget ends."""
        self._enter("the current version", self._judge)
        found = self._distil(learn)
        start = self._as_instructions(found)
        if found.guidelines:
            self._enter("guidelines", start)
        if self._optimizer.examples and not self._is_perfect:
            examples = remember(self._judge, learn, self._context, embedding_model="")
            memory = Memory(
                guidelines=found.guidelines,
                contradictions=found.contradictions,
                examples=examples,
                shown=self._optimizer.examples,
            )
            self._enter("guidelines with examples", replace(self._judge, memory=memory))
        if not self._is_perfect:
            self._look_for_what_recurs(learn)
        if not self._is_perfect:
            self._let_gepa_try(learn)
        if not self._is_perfect:
            self._let_simba_try(learn)
        self._learn_from_everything(everything)

    def better(self) -> list[InstructionsJudge]:
        """Those that are worth more than the current version, the best first; of equals the cheaper, which came first."""
        if not self._entered:
            return []
        present = self._entered[0].worth
        ranked = sorted(self._entered[1:], key=lambda each: -each.worth)
        return [each.judge for each in ranked if each.worth > present + 1e-9]

    @property
    def _best(self) -> _Scored:
        return max(self._entered, key=lambda each: each.worth)

    @property
    def _is_perfect(self) -> bool:
        return self._best.worth >= 1.0

    def _enter(self, name: str, judge: InstructionsJudge) -> None:
        if any(each.judge == judge for each in self._entered):
            return
        verdicts = judge_all(judge, self._validate, self._context, Stage.OPTIMIZE)
        credit = self._context.metric.credit
        total = math.fsum(credit(e.value, verdicts[e.trace.trace_id]) for e in self._validate)
        worth = round(total / len(self._validate), 9)
        self._entered.append(_Scored(name=name, judge=judge, worth=worth))
        self._optimizer.note(self._context, f"Worth of {name}: {worth:.3f}.")
        self._context.emit(
            StepScored(
                step=len(self._entered),
                steps=max(STEPS, len(self._entered)),
                scores=(worth,),
                best=self._best.worth,
                part=self._context.part,
            )
        )

    def _distil(self, examples: Sequence[Example]) -> Distilled:
        found = distil(
            self._judge, examples, self._context, model=self._model, most=MOST_GUIDELINES
        )
        for text in found.contradictions:
            self._optimizer.tell(self._context, f"The feedback contradicts itself: {text}")
        return found

    def _look_for_what_recurs(self, learn: Sequence[Example]) -> None:
        """Guidelines from several parts of the feedback, and those that come up in more than one of them."""
        parts = [
            [example for place, example in enumerate(learn) if place % PARTS != left_out]
            for left_out in range(PARTS)
        ]
        found = [self._distil(part) for part in parts if part]
        recur = recurring(self._judge, found, self._context, model=self._model)
        if recur:
            self._enter("guidelines that recur", self._as_instructions(Distilled(guidelines=recur)))

    def _as_instructions(self, found: Distilled) -> InstructionsJudge:
        return replace(self._judge, instructions=as_text(self._judge, found.guidelines))

    def _let_gepa_try(self, learn: Sequence[Example]) -> None:
        left = self._context.gateway.calls_left or 0
        gepa = GEPAAlignmentOptimizer(self._model, max_calls=max(1, left // 2))
        for proposal in gepa.propose(self._best.judge, learn, self._context)[:1]:
            self._enter("GEPA", proposal)

    def _let_simba_try(self, learn: Sequence[Example]) -> None:
        left = (self._context.gateway.calls_left or 0) - 2 * len(self._validate)
        simba = SIMBAAlignmentOptimizer(self._model)
        if simba.estimate(len(learn), steps=1) > left:
            return
        within = replace(self._context, gateway=Allowance(self._context.gateway, max_calls=left))
        for proposal in simba.propose(self._best.judge, learn, within)[:1]:
            self._enter("SIMBA", proposal)

    def _learn_from_everything(self, everything: Sequence[Example]) -> None:
        """Where the guidelines won, they are distilled once more from all examples: more is known then."""
        if self._best.name not in {"guidelines", "guidelines with examples"}:
            return
        left = self._context.gateway.calls_left or 0
        if left < most_calls(len(everything)) + len(self._validate):
            return
        found = self._distil(everything)
        if not found.guidelines:
            return
        winner = self._best
        self._enter("guidelines from all examples", self._as_instructions(found))
        if self._entered[-1].worth >= winner.worth - 1e-9:
            # It has seen the validation part, so an equal score is no proof; but it has learnt from more.
            self._entered.insert(1, self._entered.pop())
