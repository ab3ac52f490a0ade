"""What a run will take before it starts: calls by stage, tokens, money, time; and the budget it is held to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from alignment.errors import optimizer_failures
from alignment.labels import Example
from alignment.split import Split
from judges.base import AlignmentOptimizer
from judges.errors import BudgetExceededError
from judges.instructions import Case, InstructionsJudge
from judges.render import render

MOST_OPTIONS = 4  # proposals worth testing on the selection labels
TYPICAL_ANSWER = 120  # tokens of a verdict with its reason
_CHARACTERS_PER_TOKEN = 4
# Proposals are longer than the present prompt, and questions about many cases are: in the demo's runs by half on average.
_GROWTH = 1.6
_ROOM_FOR_MONEY = 2.0  # a proposal's prompt is longer than the present one


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a run may take at most: model calls, and US dollars. None is no bound."""

    calls: int | None = None
    cost: float | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The most calls each stage of a run takes, malformed answers that are asked again not counted.

    Attributes:
        baseline: Judging the tested traces with the current version.
        optimize: The optimizer, all its parts together; None when it does not say.
        parts: How many times it runs: once, or under cross-validation once a fold and once more.
        choose: Judging the selection labels with each proposal.
        evaluate: Judging the tested traces with the candidate.
    """

    baseline: int
    optimize: int | None
    parts: int
    choose: int
    evaluate: int

    @property
    def calls(self) -> int | None:
        """Most calls of the whole run."""
        if self.optimize is None:
            return None
        return self.baseline + self.optimize + self.choose + self.evaluate

    def share(self, budget: Budget, *, spent_per_call: float | None) -> Budget:
        """What each use of the optimizer may take, so that the tests can still be paid for.

        Args:
            budget: That of the run.
            spent_per_call: What a call of the baseline has cost, US dollars; None where the price is unknown.

        Raises:
            BudgetExceededError: when the tests alone need it all.
        """
        tests = self.choose + self.evaluate
        calls = cost = None
        if budget.calls is not None:
            calls = (budget.calls - self.baseline - tests) // self.parts
            if calls <= 0:
                raise BudgetExceededError(
                    f"The budget of {budget.calls} calls does not suffice: testing both versions alone may take "
                    f"{self.baseline + tests}. Allow more."
                )
        if budget.cost is not None and spent_per_call is not None:
            for_tests = (self.baseline + _ROOM_FOR_MONEY * tests) * spent_per_call
            cost = (budget.cost - for_tests) / self.parts
            if cost <= 0:
                raise BudgetExceededError(
                    f"The budget of ${budget.cost:.2f} does not suffice: testing both versions alone may cost "
                    f"${for_tests:.2f}. Allow more."
                )
        return Budget(calls=calls, cost=cost)


def plan_of(optimizer: AlignmentOptimizer, judge: InstructionsJudge, split: Split) -> Plan:
    """What a run with this division of its labels takes at most.

    Raises:
        OptimizerError: when the optimizer cannot estimate.
    """
    estimate = getattr(optimizer, "estimate", None)
    per_verdict = 2 if judge.memory is not None and judge.memory.embedding_model else 1
    n = len(split.train)

    def optimizer_calls(sizes: Sequence[int]) -> int | None:
        if estimate is None:
            return None
        with optimizer_failures(optimizer):
            return sum(int(estimate(size)) for size in sizes)

    if split.is_cross_validated:
        sizes = [*(n - len(fold) for fold in split.folds), n]
        return Plan(
            baseline=n * per_verdict,
            optimize=optimizer_calls(sizes),
            parts=len(sizes),
            choose=0,
            evaluate=2 * n,
        )
    held_out, selection = len(split.held_out), len(split.selection)
    # Each option with and without a calibration, which is fitted on the training labels.
    calibrating = n if can_be_calibrated(judge) and selection else 0
    return Plan(
        baseline=held_out * per_verdict,
        optimize=optimizer_calls([n]),
        parts=1,
        choose=2 * (MOST_OPTIONS + 1) * selection + 2 * calibrating,
        evaluate=2 * held_out,
    )


def can_be_calibrated(judge: InstructionsJudge) -> bool:
    """Whether its values lie on a scale with more than two steps."""
    value_type = judge.value_type
    return value_type.is_numeric or (value_type.ordered and len(value_type.choices) > 2)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run takes at most, with the time it then lasts.

    `calls` is None where the optimizer does not say, `cost` where a price is unknown, `seconds` where no run has shown it.
    """

    calls: int | None
    tokens: int | None
    cost: float | None
    seconds: float | None


def estimate_run(
    plan: Plan,
    judge: InstructionsJudge,
    examples: Sequence[Example],
    *,
    price: tuple[float, float] | None,
    seconds_per_call: float | None,
    concurrency: int,
) -> Estimate:
    """What the planned calls come to.

    Args:
        plan: The calls.
        judge: The judge whose prompts are counted.
        examples: The labelled cases.
        price: US dollars per token asked and answered, or None.
        seconds_per_call: How long a call takes; None when nobody knows yet.
        concurrency: Calls in flight at one time.
    """
    if plan.calls is None:
        return Estimate(calls=None, tokens=None, cost=None, seconds=None)
    shown = examples[:50]
    characters = [
        sum(len(str(m["content"])) for m in render(judge, Case.from_trace(e.trace, judge)))
        for e in shown
    ]
    each = sum(characters) / max(1, len(characters)) / _CHARACTERS_PER_TOKEN
    asked = math.ceil(each * (plan.baseline + _GROWTH * (plan.calls - plan.baseline)))
    answered = plan.calls * TYPICAL_ANSWER
    return Estimate(
        calls=plan.calls,
        tokens=asked + answered,
        cost=None if price is None else asked * price[0] + answered * price[1],
        seconds=None if seconds_per_call is None else plan.calls * seconds_per_call / concurrency,
    )
