"""The stages that every run goes through, on what they share: freeze, split, baseline, and how a test is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from alignment.estimates import Plan, plan_of
from alignment.evaluation import FAILED, Verdicts, judge_all
from alignment.events import (
    CallsEstimated,
    LogLine,
    RunContext,
    Stage,
    StageFinished,
    StageStarted,
)
from alignment.judge_agreement import JudgeAgreement, compare
from alignment.labels import Example, Reason, ReasonCode, Side
from alignment.readiness import Thresholds, additions
from alignment.result import hits, is_right
from alignment.split import Split, SplitItem, SplitPolicy, make_split
from alignment.versions import VersionComparison, compare_versions
from judges.base import AlignmentOptimizer
from judges.errors import InvalidTraceError, NotEnoughFeedbackError
from judges.instructions import Case, InstructionsJudge
from judges.render import render
from judges.values import ValueKind


@dataclass(frozen=True, kw_only=True)
class Stages:
    """One run's stages."""

    judge: InstructionsJudge
    optimizer: AlignmentOptimizer
    context: RunContext

    def freeze(
        self, examples: Iterable[Example]
    ) -> tuple[list[Example], tuple[tuple[str, Reason], ...]]:
        """The examples that can be used, and the others with their reasons."""
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
        least = int(getattr(self.optimizer, "min_examples", 1))
        minimum = Thresholds(minimum=max(1, least), min_share=0.0)
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
    ) -> tuple[Split, Plan]:
        """The division of the labels, and what the run takes with it."""
        self.started(Stage.SPLIT)
        split = split_of(self.judge.name, usable, held_out_before, learnt_before, policy)
        if split.is_cross_validated:
            text = f"Too few labels to hold some out for good: {len(split.folds)}-fold cross-validation."
        else:
            chosen = f", {len(split.selection)} choose among proposals" if split.selection else ""
            text = f"{len(split.train)} labels teach{chosen}, {len(split.held_out)} are held out to test."
        self.finished(Stage.SPLIT, text)
        plan = plan_of(self.optimizer, self.judge, split)
        self.context.emit(CallsEstimated(calls=plan.calls))
        return split, plan

    def baseline(self, tested: Sequence[Example]) -> Verdicts:
        """The current version's verdicts on the tested labels."""
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

    def agreement(self, tested: Sequence[Example], verdicts: Verdicts) -> JudgeAgreement:
        """How far verdicts agree with the tested labels."""
        value_type, sides = self.judge.value_type, self.context.metric.sides
        return compare(
            {example.trace.trace_id: example.value for example in tested},
            _told(verdicts),
            value_type.choices or None,
            ordered=value_type.ordered or value_type.kind is not ValueKind.CATEGORY,
            side_of=sides.side_of if sides.is_decided else None,
        )

    def comparison(
        self, tested: Sequence[Example], before: Verdicts, after: Verdicts
    ) -> VersionComparison:
        """Both versions on the tested labels, item by item."""
        return compare_versions(
            {example.trace.trace_id: example.value for example in tested},
            _told(before),
            _told(after),
            metric=self.context.metric,
        )

    def tell_evaluation(self, tested: Sequence[Example], after: Verdicts) -> None:
        """Close the evaluation with what the candidate reached."""
        self.finished(
            Stage.EVALUATE,
            f"The candidate agrees on {hits(tested, after)} of {len(tested)} held-out labels.",
        )

    def started(self, stage: Stage) -> None:
        self.context.stop_if_cancelled()
        self.context.emit(StageStarted(stage=stage))

    def finished(self, stage: Stage, text: str) -> None:
        self.context.emit(StageFinished(stage=stage, text=text))

    def log(self, level: Any, text: str) -> None:
        self.context.emit(LogLine(level=level, text=text))


def split_of(
    judge_name: str,
    usable: Sequence[Example],
    held_out_before: AbstractSet[str],
    learnt_before: AbstractSet[str],
    policy: SplitPolicy | None = None,
) -> Split:
    """The division of a judge's labels.

    Raises:
        NotEnoughFeedbackError: when nothing can be set aside, or nothing is left to learn from.
    """
    split = make_split(
        [SplitItem(trace_id=e.trace.trace_id, side=e.side, group=e.group) for e in usable],
        salt=judge_name,
        held_out_before=held_out_before,
        learnt_before=learnt_before,
        policy=policy,
    )
    if split.is_cross_validated and len(split.folds) < 2:
        raise NotEnoughFeedbackError(
            ["labels from more than one conversation or with different inputs"]
        )
    if not split.is_cross_validated and not split.train:
        raise NotEnoughFeedbackError(["labels on traces that were not held out in earlier runs"])
    return split


def _told(verdicts: Verdicts) -> dict[str, Any]:
    return {key: FAILED if value is None else value for key, value in verdicts.items()}
