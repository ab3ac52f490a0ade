"""One alignment run: freeze, split, test the current version, optimise, test the candidate, decide.

The run writes nothing and knows no database. It tells what it does through events, sends every model call through one
gateway, and repeats itself exactly when it is started again with the same input and a store of answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from alignment.choosing import choose, proposals_of
from alignment.estimates import Budget, Plan
from alignment.evaluation import Verdicts, judge_all
from alignment.events import Emit, RunContext, Stage, ignore, never
from alignment.experts import beside_experts
from alignment.gate import NOTHING_CHANGED, Decision, GatePolicy, Outcome, decide
from alignment.labels import Example, Sides
from alignment.metric import Costs, Metric
from alignment.result import RunResult as RunResult
from alignment.result import tested_items
from alignment.split import Split, SplitPolicy
from alignment.stages import Stages
from alignment.versions import VersionComparison
from judges.base import AlignmentOptimizer
from judges.entities import Usage
from judges.instructions import InstructionsJudge
from judges.llm import Allowance, Gateway

ALREADY_ALIGNED = "The judge already agrees with every label; there is nothing to align."


def run_alignment(
    *,
    judge: InstructionsJudge,
    examples: Sequence[Example],
    optimizer: AlignmentOptimizer,
    gateway: Gateway,
    held_out_before: AbstractSet[str] = frozenset(),
    learnt_before: AbstractSet[str] = frozenset(),
    seed: int = 0,
    sides: Sides | None = None,
    costs: Costs | None = None,
    policy: GatePolicy | None = None,
    split_policy: SplitPolicy | None = None,
    budget: Budget | None = None,
    emit: Emit = ignore,
    cancelled: Callable[[], bool] = never,
) -> RunResult:
    """Align a judge, test the result on labels it has not seen, and decide.

    Args:
        judge: The current version.
        examples: The frozen examples.
        optimizer: What makes the candidate.
        gateway: Where every model call goes; its limits are the run's limits.
        held_out_before: Trace ids held out in earlier runs of the judge; they stay held out.
        learnt_before: Trace ids earlier runs learnt from; they are never tested on.
        seed: Same input, same seed, same result.
        sides: The side of each value; None takes the defaults for the judge's value type.
        costs: What the two kinds of wrong verdict cost; None: the same.
        policy: When the candidate is promoted.
        split_policy: How the examples are divided.
        budget: What the run may take. The tests are paid for first; the optimizer gets the rest, and ours end with the
            best they have found when it is used up.
        emit: Gets the events, one at a time, from several threads.
        cancelled: Tells whether to stop; asked often, so it has to be cheap.

    Raises:
        NotEnoughFeedbackError: when the examples do not suffice (data).
        ProviderError: when a model cannot be reached or refuses (provider).
        BudgetExceededError: when the calls or the money granted do not suffice (budget).
        OptimizerError: when the optimizer failed or proposed something unusable (optimizer).
        Cancelled: when the run was cancelled.
    """
    budget = budget or Budget()
    metric = Metric(
        value_type=judge.value_type,
        sides=sides or Sides.default_for(judge.value_type),
        costs=costs or Costs(),
    )
    # Counted by questions, not by what is bought in this attempt: taken up again, the run ends where it would have.
    granted = Allowance(gateway, max_calls=budget.calls, max_cost=budget.cost)
    context = RunContext(
        gateway=granted, metric=metric, seed=seed, cancelled=cancelled, listener=emit
    )
    stages = Stages(judge=judge, optimizer=optimizer, context=context)
    spent_before = gateway.usage
    usable, excluded = stages.freeze(examples)
    split, plan = stages.split(usable, held_out_before, learnt_before, split_policy)
    tested = _tested(usable, split)
    before = stages.baseline(tested)
    run = _Run(
        stages=stages,
        policy=policy or GatePolicy(),
        usable=usable,
        split=split,
        before=before,
        plan=plan,
        budget=budget,
    )
    if stages.agrees_with_everything(usable, before):
        stages.log("INFO", ALREADY_ALIGNED)
        outcome = _rejected(ALREADY_ALIGNED)
    elif split.is_cross_validated:
        outcome = run.cross_validate()
    else:
        outcome = run.hold_out()
    stages.started(Stage.GATE)
    stages.finished(Stage.GATE, outcome.decision.reason)
    after = outcome.after
    return RunResult(
        decision=outcome.decision,
        candidate=outcome.candidate,
        split=split,
        before=stages.agreement(tested, before),
        after=stages.agreement(tested, after) if after else None,
        comparison=outcome.comparison,
        experts=beside_experts(usable, tested, before, after) if after else None,
        items=tested_items(tested, before, after) if after else (),
        excluded=excluded,
        usage=_spent(spent_before, gateway.usage),
    )


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    decision: Decision
    candidate: InstructionsJudge | None = None
    after: Verdicts | None = None
    comparison: VersionComparison | None = None


@dataclass(frozen=True, kw_only=True)
class _Run:
    """The two ways to optimise and test, on what they share."""

    stages: Stages
    policy: GatePolicy
    usable: Sequence[Example]
    split: Split
    before: Verdicts
    plan: Plan
    budget: Budget

    def hold_out(self) -> _Outcome:
        stages, context = self.stages, self.stages.context
        by_id = {example.trace.trace_id: example for example in self.usable}
        train = [by_id[trace_id] for trace_id in self.split.train]
        selection = [by_id[trace_id] for trace_id in self.split.selection]
        stages.started(Stage.OPTIMIZE)
        options = self._propose(train)
        if not options:
            stages.finished(Stage.OPTIMIZE, NOTHING_CHANGED)
            return _rejected(NOTHING_CHANGED)
        choice = choose(options, stages.judge, train, selection, context)
        stages.finished(Stage.OPTIMIZE, choice.text)
        if choice.judge is None:
            return _rejected(choice.text)
        tested = [by_id[trace_id] for trace_id in self.split.held_out]
        stages.started(Stage.EVALUATE)
        after = judge_all(choice.judge, tested, context, Stage.EVALUATE)
        stages.tell_evaluation(tested, after)
        return self._decide(tested, after, choice.judge)

    def cross_validate(self) -> _Outcome:
        """Every fold is judged by a candidate that learnt from the others; the candidate proper learns from all."""
        stages, usable, folds = self.stages, self.usable, self.split.folds
        stages.started(Stage.OPTIMIZE)
        after: Verdicts = {}
        proposals = 0
        for number, fold in enumerate(folds, start=1):
            held = set(fold)
            options = self._propose(
                [e for e in usable if e.trace.trace_id not in held],
                part=f"fold {number} of {len(folds)}",
            )
            proposals += bool(options)
            tested = [example for example in usable if example.trace.trace_id in held]
            if options:
                after |= judge_all(options[0], tested, stages.context, Stage.OPTIMIZE)
            else:
                after |= {trace_id: self.before[trace_id] for trace_id in fold}
        outcome = self._decide(usable, after, None)
        if not proposals:
            stages.finished(Stage.OPTIMIZE, NOTHING_CHANGED)
            return _rejected(NOTHING_CHANGED)
        text = f"{proposals} of {len(folds)} folds proposed a change."
        if outcome.decision.outcome is not Outcome.REJECT:
            final = self._propose(usable, part="all labels")
            if not final:
                stages.finished(Stage.OPTIMIZE, NOTHING_CHANGED)
                return _rejected(NOTHING_CHANGED)
            text = f"{text.rstrip('.')}; the candidate learnt from all labels."
            outcome = _Outcome(
                decision=outcome.decision,
                candidate=final[0],
                after=after,
                comparison=outcome.comparison,
            )
        stages.finished(Stage.OPTIMIZE, text)
        stages.started(Stage.EVALUATE)
        stages.tell_evaluation(usable, after)
        return outcome

    def _propose(self, examples: Sequence[Example], *, part: str = "") -> list[InstructionsJudge]:
        stages = self.stages
        used = stages.context.gateway.usage
        per_call = None if used.cost is None else used.cost / max(1, used.calls)
        return proposals_of(
            stages.optimizer,
            stages.judge,
            examples,
            stages.context,
            budget=self.plan.share(self.budget, spent_per_call=per_call),
            part=part,
        )

    def _decide(
        self, tested: Sequence[Example], after: Verdicts, candidate: InstructionsJudge | None
    ) -> _Outcome:
        stages = self.stages
        comparison = stages.comparison(tested, self.before, after)
        decision = decide(
            before=stages.agreement(tested, self.before),
            after=stages.agreement(tested, after),
            comparison=comparison,
            policy=self.policy,
            is_cross_validated=self.split.is_cross_validated,
        )
        return _Outcome(decision=decision, candidate=candidate, after=after, comparison=comparison)


def _rejected(reason: str) -> _Outcome:
    return _Outcome(decision=Decision(outcome=Outcome.REJECT, reason=reason))


def _tested(usable: Sequence[Example], split: Split) -> list[Example]:
    if split.is_cross_validated:
        return list(usable)
    held = set(split.held_out)
    return [example for example in usable if example.trace.trace_id in held]


def _spent(before: Usage, after: Usage) -> Usage:
    cost = None if after.cost is None else after.cost - (before.cost or 0.0)
    return Usage(
        calls=after.calls - before.calls,
        input_tokens=after.input_tokens - before.input_tokens,
        output_tokens=after.output_tokens - before.output_tokens,
        cost=cost,
    )
