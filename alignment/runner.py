"""One alignment run: freeze, split, test the current version, optimise, test the candidate, decide.

The run writes nothing and knows no database. It tells what it does through events, sends every model call through one
gateway, and repeats itself exactly when it is started again with the same input and a store of answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from alignment.agreement import JudgeAgreement, compare
from alignment.errors import optimizer_failures
from alignment.evaluation import (
    FAILED,
    Verdicts,
    adopt,
    credit,
    is_same_judge,
    judge_all,
    training_trace,
)
from alignment.events import (
    CallsEstimated,
    Emit,
    LogLine,
    RunContext,
    Stage,
    StageFinished,
    StageStarted,
    ignore,
    never,
    use_run,
)
from alignment.gate import NOTHING_CHANGED, Decision, GatePolicy, Outcome, decide
from alignment.labels import Example, Reason, ReasonCode, Side, Sides
from alignment.readiness import Thresholds, additions
from alignment.result import RunResult as RunResult
from alignment.result import hits, is_right, tested_items
from alignment.split import Split, SplitItem, SplitPolicy, make_split
from alignment.versions import VersionComparison, compare_versions
from judges.base import AlignmentOptimizer
from judges.entities import Usage
from judges.errors import InvalidTraceError, NotEnoughFeedbackError
from judges.instructions import Case, InstructionsJudge
from judges.llm import Gateway, use_gateway
from judges.render import render
from judges.values import ValueKind

ALREADY_ALIGNED = "The judge already agrees with every label; there is nothing to align."
MOST_OPTIONS = 4  # proposals worth testing on the selection labels


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
    policy: GatePolicy | None = None,
    split_policy: SplitPolicy | None = None,
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
        policy: When the candidate is promoted.
        split_policy: How the examples are divided.
        emit: Gets the events, one at a time, from several threads.
        cancelled: Tells whether to stop; asked often, so it has to be cheap.

    Raises:
        NotEnoughFeedbackError: when the examples do not suffice (data).
        ProviderError: when a model cannot be reached or refuses (provider).
        BudgetExceededError: when the gateway's calls or money are used up (budget).
        OptimizerError: when the optimizer failed or proposed something unusable (optimizer).
        Cancelled: when the run was cancelled.
    """
    run = _Run(
        judge=judge,
        optimizer=optimizer,
        sides=sides or Sides.default_for(judge.value_type),
        policy=policy or GatePolicy(),
        context=RunContext(gateway=gateway, seed=seed, cancelled=cancelled, listener=emit),
    )
    spent_before = gateway.usage
    usable, excluded = run.freeze(examples)
    split = run.split(usable, held_out_before, learnt_before, split_policy)
    tested = _tested(usable, split)
    before = run.baseline(usable, split, tested)
    if run.agrees_with_everything(usable, before):
        run.log("INFO", ALREADY_ALIGNED)
        outcome = _Outcome(decision=Decision(outcome=Outcome.REJECT, reason=ALREADY_ALIGNED))
    elif split.is_cross_validated:
        outcome = run.cross_validate(usable, split, before)
    else:
        outcome = run.hold_out(usable, split, before)
    run.started(Stage.GATE)
    run.finished(Stage.GATE, outcome.decision.reason)
    return RunResult(
        decision=outcome.decision,
        candidate=outcome.candidate,
        split=split,
        before=run.agreement(tested, before),
        after=run.agreement(tested, outcome.after) if outcome.after else None,
        comparison=outcome.comparison,
        items=tested_items(tested, before, outcome.after) if outcome.after else (),
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
    """The stages, on what they share."""

    judge: InstructionsJudge
    optimizer: AlignmentOptimizer
    sides: Sides
    policy: GatePolicy
    context: RunContext

    def freeze(
        self, examples: Iterable[Example]
    ) -> tuple[list[Example], tuple[tuple[str, Reason], ...]]:
        self.started(Stage.FREEZE)
        usable: dict[str, Example] = {}
        excluded: list[tuple[str, Reason]] = []
        for example in examples:
            try:
                render(self.judge, Case.from_trace(example.trace, self.judge))
            except InvalidTraceError as error:
                reason = Reason(code=ReasonCode.INVALID_TRACE, text=str(error))
                excluded.append((example.trace.trace_id, reason))
            else:
                usable.setdefault(example.trace.trace_id, example)
        counts = Counter(example.side for example in usable.values())
        minimum = Thresholds(minimum=max(1, self.optimizer.min_examples), min_share=0.0)
        missing = additions(counts, minimum).sentences()
        if missing:
            raise NotEnoughFeedbackError(missing)
        left_out = f", {len(excluded)} left out" if excluded else ""
        sides = ", ".join(f"{counts[side]} {side.lower()}" for side in Side if counts[side])
        self.finished(Stage.FREEZE, f"{len(usable)} labels: {sides}{left_out}.")
        return list(usable.values()), tuple(excluded)

    def split(
        self,
        usable: Sequence[Example],
        held_out_before: AbstractSet[str],
        learnt_before: AbstractSet[str],
        policy: SplitPolicy | None,
    ) -> Split:
        self.started(Stage.SPLIT)
        split = make_split(
            [SplitItem(trace_id=e.trace.trace_id, side=e.side, group=e.group) for e in usable],
            salt=self.judge.name,
            held_out_before=held_out_before,
            learnt_before=learnt_before,
            policy=policy,
        )
        if split.is_cross_validated:
            if len(split.folds) < 2:
                raise NotEnoughFeedbackError(
                    ["labels from more than one conversation or with different inputs"]
                )
            text = f"Too few labels to hold some out for good: {len(split.folds)}-fold cross-validation."
        else:
            if not split.train:
                raise NotEnoughFeedbackError(
                    ["labels on traces that were not held out in earlier runs"]
                )
            chosen = f", {len(split.selection)} choose among proposals" if split.selection else ""
            text = f"{len(split.train)} labels teach{chosen}, {len(split.held_out)} are held out to test."
        self.finished(Stage.SPLIT, text)
        self.context.emit(CallsEstimated(calls=self._estimate(split)))
        return split

    def baseline(
        self, usable: Sequence[Example], split: Split, tested: Sequence[Example]
    ) -> Verdicts:
        self.started(Stage.BASELINE)
        verdicts = judge_all(self.judge, tested, self.context, Stage.BASELINE)
        text = f"The current version agrees on {hits(tested, verdicts)} of {len(tested)} held-out labels."
        self.finished(Stage.BASELINE, text)
        return verdicts

    def agrees_with_everything(self, usable: Sequence[Example], before: Verdicts) -> bool:
        """Whether the verdicts, fresh on the tested labels and frozen on the others, all equal the labels."""
        return all(
            is_right(example, before.get(example.trace.trace_id, example.verdict_value))
            for example in usable
        )

    def hold_out(self, usable: Sequence[Example], split: Split, before: Verdicts) -> _Outcome:
        by_id = {example.trace.trace_id: example for example in usable}
        self.started(Stage.OPTIMIZE)
        options = self._optimize([by_id[trace_id] for trace_id in split.train])
        if not options:
            self.finished(Stage.OPTIMIZE, NOTHING_CHANGED)
            return _Outcome(decision=Decision(outcome=Outcome.REJECT, reason=NOTHING_CHANGED))
        candidate, text = self._choose(options, [by_id[trace_id] for trace_id in split.selection])
        self.finished(Stage.OPTIMIZE, text)
        if candidate is None:
            return _Outcome(decision=Decision(outcome=Outcome.REJECT, reason=text))
        tested = [by_id[trace_id] for trace_id in split.held_out]
        self.started(Stage.EVALUATE)
        after = judge_all(candidate, tested, self.context, Stage.EVALUATE)
        self._tell_evaluation(tested, after)
        return self._decide(tested, before, after, candidate, is_cross_validated=False)

    def cross_validate(self, usable: Sequence[Example], split: Split, before: Verdicts) -> _Outcome:
        """Every fold is judged by a candidate that learnt from the others; the candidate proper learns from all."""
        self.started(Stage.OPTIMIZE)
        after: Verdicts = {}
        proposals = 0
        for number, fold in enumerate(split.folds, start=1):
            part = f"fold {number} of {len(split.folds)}"
            held = set(fold)
            options = self._optimize([e for e in usable if e.trace.trace_id not in held], part=part)
            proposals += bool(options)
            tested = [example for example in usable if example.trace.trace_id in held]
            if options:
                after |= judge_all(options[0], tested, self.context, Stage.OPTIMIZE)
            else:
                after |= {trace_id: before[trace_id] for trace_id in fold}
        outcome = self._decide(usable, before, after, None, is_cross_validated=True)
        if not proposals:
            self.finished(Stage.OPTIMIZE, NOTHING_CHANGED)
            return _Outcome(decision=Decision(outcome=Outcome.REJECT, reason=NOTHING_CHANGED))
        if outcome.decision.outcome is Outcome.REJECT:
            self.finished(
                Stage.OPTIMIZE, f"{proposals} of {len(split.folds)} folds proposed a change."
            )
        else:
            final = self._optimize(usable, part="all labels")
            if not final:
                self.finished(Stage.OPTIMIZE, NOTHING_CHANGED)
                return _Outcome(decision=Decision(outcome=Outcome.REJECT, reason=NOTHING_CHANGED))
            outcome = _Outcome(
                decision=outcome.decision,
                candidate=final[0],
                after=after,
                comparison=outcome.comparison,
            )
            self.finished(
                Stage.OPTIMIZE,
                f"{proposals} of {len(split.folds)} folds proposed a change; the candidate learnt from all labels.",
            )
        self.started(Stage.EVALUATE)
        self._tell_evaluation(usable, after)
        return outcome

    def agreement(self, tested: Sequence[Example], verdicts: Verdicts) -> JudgeAgreement:
        value_type = self.judge.value_type
        return compare(
            {example.trace.trace_id: example.value for example in tested},
            {key: FAILED if value is None else value for key, value in verdicts.items()},
            value_type.choices or None,
            ordered=value_type.ordered or value_type.kind is not ValueKind.CATEGORY,
            side_of=self.sides.side_of if self.sides.is_decided else None,
        )

    def _optimize(self, examples: Sequence[Example], *, part: str = "") -> list[InstructionsJudge]:
        """The proposals that differ from the judge, the optimizer's own choice first."""
        context = RunContext(
            gateway=self.context.gateway,
            seed=self.context.seed,
            cancelled=self.context.cancelled,
            listener=self.context.emit,
            part=part,
        )
        context.stop_if_cancelled()
        traces = [training_trace(example, self.judge) for example in examples]
        with use_run(context), use_gateway(context.gateway), optimizer_failures(self.optimizer):
            best = self.optimizer.align(self.judge, traces)
            proposals = [best, *getattr(self.optimizer, "candidates_", ())]
            options: list[InstructionsJudge] = []
            for proposal in proposals[: MOST_OPTIONS + 1]:
                option = adopt(self.judge, proposal)
                if not any(is_same_judge(option, known) for known in (self.judge, *options)):
                    options.append(option)
        if is_same_judge(adopt(self.judge, best), self.judge):
            return []  # by its own measure the optimizer found nothing better
        return options[:MOST_OPTIONS]

    def _choose(
        self, options: Sequence[InstructionsJudge], selection: Sequence[Example]
    ) -> tuple[InstructionsJudge | None, str]:
        """The proposal that agrees best on the selection labels; None when the current version does better."""
        if not selection:
            return options[0], "The optimizer proposed a change."
        scored: list[tuple[tuple[int, float], InstructionsJudge]] = []
        for option in (*options, self.judge):
            verdicts = judge_all(option, selection, self.context, Stage.OPTIMIZE)
            partial = sum(
                credit(self.judge.value_type, e.value, verdicts[e.trace.trace_id])
                for e in selection
            )
            scored.append(((hits(selection, verdicts), round(partial, 6)), option))
        (most, _), best = max(
            scored, key=lambda item: item[0]
        )  # the first of equals: the optimizer's choice
        of_all = f"{most} of {len(selection)} labels kept for choosing"
        proposals = "the proposal" if len(options) == 1 else f"none of {len(options)} proposals"
        if best is self.judge:
            verb = "does not do" if len(options) == 1 else "does"
            return None, f"The current version agrees on {of_all}; {proposals} {verb} as well."
        return best, f"The best of {len(options)} proposals agrees on {of_all}."

    def _decide(
        self,
        tested: Sequence[Example],
        before: Verdicts,
        after: Verdicts,
        candidate: InstructionsJudge | None,
        *,
        is_cross_validated: bool,
    ) -> _Outcome:
        comparison = compare_versions(
            {example.trace.trace_id: example.value for example in tested},
            {key: FAILED if value is None else value for key, value in before.items()},
            {key: FAILED if value is None else value for key, value in after.items()},
        )
        decision = decide(
            before=self.agreement(tested, before),
            after=self.agreement(tested, after),
            comparison=comparison,
            policy=self.policy,
            is_cross_validated=is_cross_validated,
        )
        return _Outcome(decision=decision, candidate=candidate, after=after, comparison=comparison)

    def _tell_evaluation(self, tested: Sequence[Example], after: Verdicts) -> None:
        self.finished(
            Stage.EVALUATE,
            f"The candidate agrees on {hits(tested, after)} of {len(tested)} held-out labels.",
        )

    def _estimate(self, split: Split) -> int | None:
        """Most model calls of the run, malformed answers that are asked again not counted."""
        estimate = getattr(self.optimizer, "estimate", None)
        if estimate is None:
            return None
        n = len(split.train)
        with optimizer_failures(self.optimizer):
            if split.is_cross_validated:
                parts = sum(estimate(n - len(fold)) for fold in split.folds)
                return int(n + parts + n + estimate(n))
            choosing = (MOST_OPTIONS + 1) * len(split.selection)
            return int(estimate(n) + choosing + 2 * len(split.held_out))

    def started(self, stage: Stage) -> None:
        self.context.stop_if_cancelled()
        self.context.emit(StageStarted(stage=stage))

    def finished(self, stage: Stage, text: str) -> None:
        self.context.emit(StageFinished(stage=stage, text=text))

    def log(self, level: Any, text: str) -> None:
        self.context.emit(LogLine(level=level, text=text))


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
