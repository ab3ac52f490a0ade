"""SIMBA: rules distilled from cases that the judge gets right in some tries and wrong in others.

The algorithm is DSPy's (Stochastic Introspective Mini-Batch Ascent); the judge's own renderer and our gateway are under
it, so the tries really vary, failures are not mistaken for wrong verdicts, and nothing is paid for twice.
"""

from __future__ import annotations

import itertools
import logging
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from alignment.base import LabelledOptimizer, check_whole_number
from alignment.errors import Aborted
from alignment.events import LogLine, Progress, RunContext, Stage, StepScored
from alignment.labels import Example
from judges.errors import BudgetExceededError
from judges.instructions import InstructionsJudge

if TYPE_CHECKING:
    from alignment.dspy_bridge import Bench

MOST_CANDIDATES = 3
_DSPY_LOGGERS = ("dspy.teleprompt.simba", "dspy.teleprompt.simba_utils")
_SCORES = re.compile(r"Scores after (\d+) batches: \[(.*)\]")
_GROWTH = 1.2  # later prompts are longer than those so far
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e-?\d+)?")
NO_SPREAD = (
    "No spread: asked several times, the judge never judged a case differently, so there was nothing to learn from. "
    "The optimization stopped early."
)


class SIMBAAlignmentOptimizer(LabelledOptimizer):
    """Aligns a judge with DSPy's SIMBA.

    Args:
        model: Writes the advice; None means the judge's model. A stronger one than the judge's pays.
        seed: Same traces, same seed, same answers: same result.
        steps: Mini-batches to learn from, one after the other.
        candidates: Tries per case, and new proposals per step.
        batch_size: Cases per mini-batch; fewer when there are fewer examples.
        demonstrations: Most examples to put into the prompt; 0 teaches by rules alone.
    """

    title: ClassVar[str] = "SIMBA"
    version: ClassVar[str] = "2"
    logger: ClassVar[logging.Logger] = logging.getLogger("alignment.optimizers.simba")

    def __init__(
        self,
        model: str | None = None,
        *,
        seed: int = 0,
        steps: int = 4,
        candidates: int = 4,
        batch_size: int = 16,
        demonstrations: int = 0,
    ) -> None:
        super().__init__(model, seed=seed)
        for name, value, least in (
            ("steps", steps, 1),
            ("candidates", candidates, 2),
            ("batch_size", batch_size, 2),
            ("demonstrations", demonstrations, 0),
        ):
            check_whole_number(name, value, least)
        self.steps = steps
        self.candidates = candidates
        self.batch_size = batch_size
        self.demonstrations = demonstrations

    def judgements(self, n: int, *, steps: int | None = None) -> int:
        """How many judgements a full alignment with n examples takes, exactly; repeated ones cost no call."""
        steps = self.steps if steps is None else steps
        finalists = self.candidates + 1 if steps >= self.candidates else steps + 1
        return self.judgements_of_steps(n, steps) + finalists * n

    def judgements_of_steps(self, n: int, steps: int) -> int:
        """How many of them the steps take, without the final comparison."""
        return steps * min(self.batch_size, n) * (2 * self.candidates + 1)

    def estimate(self, n: int, *, steps: int | None = None) -> int:
        """Most model calls that an alignment with n examples takes: all judgements, and advice for every proposal."""
        steps = self.steps if steps is None else steps
        return self.judgements(n, steps=steps) + steps * (self.candidates + 1)

    def propose(
        self, judge: InstructionsJudge, examples: Sequence[Example], context: RunContext
    ) -> Sequence[InstructionsJudge]:
        """The proposals of SIMBA, by their score on the examples."""
        from alignment.dspy_bridge import Bench, dspy_run

        bench = Bench(judge, examples, context)
        attempt = _Attempt(self, bench)
        steps = self._affordable_steps(len(examples), context)
        try:
            with dspy_run(
                bench, self.model or judge.model, on_line=attempt.hear, loggers=_DSPY_LOGGERS
            ):
                try:
                    programs = attempt.compile(steps=steps, seed=context.seed)
                except _Stopped as stop:
                    self.tell(context, str(stop))
                    if stop.steps_done == 0:
                        return []
                    # The same steps again, all from memory, and then the final comparison of what they found.
                    programs = attempt.compile(steps=stop.steps_done, seed=context.seed)
        except Aborted as aborted:
            raise aborted.cause from None
        judges = []
        for program in programs:
            predictor = program.judge
            proposal = bench.judge_with(predictor.signature.instructions, predictor.demos)
            if proposal not in judges:
                judges.append(proposal)
        return judges[: MOST_CANDIDATES + 1]

    def _affordable_steps(self, n: int, context: RunContext) -> int:
        left = context.gateway.calls_left
        if left is None or self.estimate(n) <= left:
            return self.steps
        fitting = [s for s in range(1, self.steps) if self.estimate(n, steps=s) <= left]
        if not fitting:
            raise BudgetExceededError(
                f"{left} calls are left for SIMBA, and one step with {n} examples may take "
                f"{self.estimate(n, steps=1)}: allow more, or make the mini-batch smaller."
            )
        self.tell(context, f"The budget allows {fitting[-1]} of {self.steps} steps.")
        return fitting[-1]


class _Stopped(BaseException):
    """There is a reason to take no more steps. No Exception, because SIMBA swallows those."""

    def __init__(self, why: str, *, steps_done: int) -> None:
        super().__init__(why)
        self.steps_done = steps_done


class _Attempt:
    """One use of SIMBA: counts judgements, hears the log, and stops where there is nothing to learn."""

    def __init__(self, optimizer: SIMBAAlignmentOptimizer, bench: Bench) -> None:
        self._optimizer = optimizer
        self._bench = bench
        self._judgements = itertools.count(1)
        self._steps = optimizer.steps
        self._total = optimizer.judgements(len(bench.trainset))
        self._told_steps = 0
        self._step = 0
        self._checked_step = 0
        self._judged = 0
        self._is_repeat = False  # of steps whose answers are all known
        self._used_before = bench.context.gateway.usage

    def compile(self, *, steps: int, seed: int) -> list[Any]:
        """SIMBA's programs by their score on all examples, its own choice first."""
        import dspy

        from alignment.dspy_bridge import JudgeProgram

        optimizer = self._optimizer
        self._steps = steps
        self._total = optimizer.judgements(len(self._bench.trainset), steps=steps)
        self._is_repeat = self._step > 0
        self._step = self._checked_step = 0
        self._judgements = itertools.count(1)  # counts in many threads without a lock
        simba = dspy.SIMBA(
            metric=self._metric,
            bsize=min(optimizer.batch_size, len(self._bench.trainset)),
            num_candidates=optimizer.candidates,
            max_steps=steps,
            max_demos=optimizer.demonstrations,
            demo_input_field_maxlen=None,  # a demonstration names its case by its fields; cut, they name none
            num_threads=self._bench.context.gateway.concurrency,
        )
        simba.strategies = [self._watched(strategy) for strategy in simba.strategies]
        best = simba.compile(
            JudgeProgram(self._bench), trainset=list(self._bench.trainset), seed=seed
        )
        return [best, *(entry["program"] for entry in best.candidate_programs)]

    def hear(self, level: str, text: str) -> None:
        """A line of DSPy's log: the source of step scores and of the detailed output."""
        if not text:
            return
        self._optimizer.logger.debug("%s", text)
        self._bench.context.emit(LogLine(level="DEBUG", text=text))
        scores = _SCORES.match(text)
        if text.startswith("Starting batch "):
            if self._step and not self._can_pay_for_another_step():
                raise _Stopped(
                    f"The budget allows {self._step} of {self._optimizer.steps} steps.",
                    steps_done=self._step,
                )
            self._step += 1
        elif scores and int(scores[1]) > self._told_steps:
            self._told_steps = int(scores[1])
            values = tuple(float(number) for number in _NUMBER.findall(scores[2]))
            self._bench.context.emit(
                StepScored(
                    step=self._told_steps,
                    steps=self._steps,
                    scores=values,
                    best=max(values, default=None),
                    part=self._bench.context.part,
                )
            )

    def _can_pay_for_another_step(self) -> bool:
        """Whether one more step and the final comparison can be paid for, by what calls have taken so far."""
        gateway = self._bench.context.gateway
        used = gateway.usage
        calls = used.calls - self._used_before.calls
        if self._is_repeat or not calls:
            return True
        n = len(self._bench.trainset)
        wanted = self._optimizer.estimate(n, steps=self._step + 1)
        wanted -= self._optimizer.judgements_of_steps(n, self._step)
        wanted = math.ceil(
            wanted * max(1.0, calls / self._judged)
        )  # some answers are asked for again
        if gateway.calls_left is not None and gateway.calls_left < wanted:
            return False
        per_call = ((used.cost or 0.0) - (self._used_before.cost or 0.0)) / calls
        return gateway.money_left is None or gateway.money_left >= _GROWTH * wanted * per_call

    def _metric(self, example: Any, prediction: Any) -> float:
        done = self._judged = next(self._judgements)
        if done % 10 == 0 or done == self._total:
            self._bench.context.emit(Progress(stage=Stage.OPTIMIZE, done=done, total=self._total))
        return self._bench.context.metric.credit(example.expert_label, prediction.result)

    def _watched(self, strategy: Any) -> Any:
        def watched(bucket: list[dict[str, Any]], system: Any, **kwargs: Any) -> Any:
            if self._checked_step < self._step:
                # SIMBA shows the case with the widest spread first.
                self._checked_step = self._step
                best, worst = bucket[0]["score"], bucket[-1]["score"]
                if best == worst and kwargs["batch_10p_score"] < 1.0:
                    raise _Stopped(NO_SPREAD, steps_done=self._step - 1)
            return strategy(bucket, system, **kwargs)

        watched.__name__ = strategy.__name__.strip("_")
        return watched
