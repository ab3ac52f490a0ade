"""Best of: guidelines first, because they cost almost nothing; then GEPA and SIMBA from there, as far as the budget goes.

Labels have errors, and one list of guidelines may follow a few of them astray. So guidelines are distilled several
times, each time without another part of the feedback, and what recurs is a list of its own. All lists race on the same
labels: on a few of them first, the best two on all. Few calls are spent where the first list agrees with the experts.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from alignment.base import LabelledOptimizer, check_whole_number
from alignment.estimates import can_be_calibrated
from alignment.evaluation import Verdicts, judge_all
from alignment.events import RunContext, Stage, StepScored
from alignment.gepa import GEPAAlignmentOptimizer, learn_and_validate
from alignment.guidelines import Distilled, as_text, distil, recurring
from alignment.labels import Example
from alignment.memory import remember
from alignment.simba import SIMBAAlignmentOptimizer
from judges.calibration import Calibration
from judges.errors import BudgetExceededError
from judges.instructions import InstructionsJudge
from judges.llm import Allowance
from judges.memory import Guideline, Memory

MOST_CANDIDATES = 3
MOST_GUIDELINES = 12
STEPS = 5
PARTS = 4
FOLDS = 5
CLEARLY = 1.64  # standard errors: one chance in twenty
FINALISTS = 2
HEAT = (
    0.35  # of the labels that decide, what every candidate is judged on; of few labels up to half
)
BUDGET_PER_LABEL = 5  # with fewer calls for each label, a sample of the labels decides


@dataclass(kw_only=True)
class _Entry:
    """A candidate: its judge, and the verdicts it has given so far."""

    name: str
    judge: InstructionsJudge
    verdicts: Verdicts = field(default_factory=dict)


class BestOfAlignmentOptimizer(LabelledOptimizer):
    """Distils guidelines, lets GEPA and SIMBA start from them, and keeps what agrees best with the labels.

    Where values lie on a scale, the scale of the best is fitted to the labels as well.

    Args:
        model: Distils and rewrites; None means the judge's model. A stronger one than the judge's pays.
        seed: Same traces, same seed, same answers: same result.
        max_calls: Model calls it may take in all; it takes not one more. From about 500 on SIMBA gets its turn.
        examples: How many similar labelled cases each verdict may be shown, where that does better; 0 never does.
    """

    title: ClassVar[str] = "Best of"
    version: ClassVar[str] = "2"
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
        """What does better than the judge on labels that both judged, the best first."""
        left = context.gateway.calls_left
        budget = self.max_calls if left is None else min(self.max_calls, left)
        own = replace(context, gateway=Allowance(context.gateway, max_calls=budget))
        race = _Race(self, judge, examples, own, most_labels=max(10, budget // BUDGET_PER_LABEL))
        try:
            race.run()
        except BudgetExceededError:
            self.note(context, f"Best of ends: its {budget} calls are used up.")
        return race.better()[: MOST_CANDIDATES + 1]


class _Race:
    """The candidates so far, and how each is entered."""

    def __init__(
        self,
        optimizer: BestOfAlignmentOptimizer,
        judge: InstructionsJudge,
        examples: Sequence[Example],
        context: RunContext,
        *,
        most_labels: int,
    ) -> None:
        self._optimizer = optimizer
        self._judge = judge
        self._examples = examples
        self._context = context
        self._model = optimizer.model or judge.model
        # Groups stay together, so that cases shown as examples in a heat come from other groups than the one judged.
        in_heat = math.ceil(most_labels * HEAT)
        share = min(0.5, in_heat / len(examples))
        others, heat = learn_and_validate(judge.name, examples, share=share)
        self._heat = heat[:in_heat]
        judged = {example.trace.trace_id for example in self._heat}
        self._others = [example for example in others if example.trace.trace_id not in judged]
        self._labels = [*self._heat, *self._others][:most_labels]
        self._plain = replace(judge, calibration=None)  # which was fitted to other words
        self._present = _Entry(name="the current version", judge=judge)
        self._entries: list[_Entry] = []
        self._lists: set[frozenset[str]] = set()
        self._calibrated: set[str] = set()
        self._steps = 0

    def run(self) -> None:
        """A heat of all lists of guidelines, a final of the best two, then GEPA and SIMBA from the winner on."""
        self._enter(self._present)
        found = self._distil(self._examples)
        self._enter_guidelines("guidelines", found.guidelines)
        if not self._has_perfect_heat:
            self._enter_what_parts_teach()
        if self._optimizer.examples and not self._has_perfect_heat:
            self._enter_examples(found)
        for entry in self._ranked[: 1 if self._has_perfect_heat else FINALISTS]:
            self._finish(entry)
        self._calibrate()
        if not self._is_perfect:
            self._let_gepa_try()
        if not self._is_perfect:
            self._let_simba_try()
        self._calibrate()

    def better(self) -> list[InstructionsJudge]:
        """Those that rank before the current version, the best first."""
        ranked = self._ranked
        if self._present not in ranked:
            return []  # the budget ended before it was known what to be better than
        return [entry.judge for entry in ranked[: ranked.index(self._present)]]

    @property
    def _ranked(self) -> list[_Entry]:
        """Those judged on most labels first, then by worth; of equals the one that came first, from more feedback."""
        return sorted(self._entries, key=lambda each: (-len(each.verdicts), -self._worth(each)))

    @property
    def _best(self) -> _Entry:
        return self._ranked[0]

    @property
    def _has_perfect_heat(self) -> bool:
        return self._worth(self._best) >= 1.0

    @property
    def _is_perfect(self) -> bool:
        return self._has_perfect_heat and len(self._best.verdicts) == len(self._labels)

    def _worth(self, entry: _Entry) -> float:
        """What its verdicts are worth, 0 to 1, on the labels that it has judged."""
        credit = self._context.metric.credit
        known = [e for e in self._labels if e.trace.trace_id in entry.verdicts]
        total = math.fsum(credit(e.value, entry.verdicts[e.trace.trace_id]) for e in known)
        return round(total / len(known), 9)

    def _enter(self, entry: _Entry) -> None:
        if any(each.judge == entry.judge for each in self._entries):
            return
        self._judge_part(entry, self._heat)
        self._entries.append(entry)
        self._tell_of(entry)

    def _finish(self, entry: _Entry) -> None:
        """Let an entry judge the labels outside the heat too."""
        rest = self._labels[len(self._heat) :]
        if rest and len(entry.verdicts) < len(self._labels):
            self._judge_part(entry, rest)
            self._tell_of(entry)

    def _judge_part(self, entry: _Entry, labels: Sequence[Example]) -> None:
        """Collect its verdicts on labels; what it remembers of these cases and those beside them stays hidden."""
        judge, memory = entry.judge, entry.judge.memory
        if memory is not None:
            hidden = {example.trace.trace_id for example in labels}
            shown = tuple(each for each in memory.examples if each.trace_id not in hidden)
            judge = replace(judge, memory=replace(memory, examples=shown))
        entry.verdicts |= judge_all(judge, labels, self._context, Stage.OPTIMIZE)

    def _tell_of(self, entry: _Entry) -> None:
        worth = self._worth(entry)
        of_all = f"on {len(entry.verdicts)} labels"
        self._optimizer.note(self._context, f"Worth of {entry.name} {of_all}: {worth:.3f}.")
        self._steps += 1
        self._context.emit(
            StepScored(
                step=self._steps,
                steps=max(STEPS, self._steps),
                scores=(worth,),
                best=self._worth(self._best),
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

    def _enter_guidelines(self, name: str, guidelines: Sequence[Guideline]) -> None:
        """A list of guidelines; one with the words of another in another order is no candidate of its own."""
        words = frozenset(guideline.text for guideline in guidelines)
        if not words or words in self._lists:
            return
        self._lists.add(words)
        judge = replace(self._plain, instructions=as_text(self._judge, guidelines))
        self._enter(_Entry(name=name, judge=judge))

    def _enter_examples(self, found: Distilled) -> None:
        examples = remember(self._judge, self._examples, self._context, embedding_model="")
        memory = Memory(
            guidelines=found.guidelines,
            contradictions=found.contradictions,
            examples=examples,
            shown=self._optimizer.examples,
        )
        entry = _Entry(
            name="guidelines with examples",
            judge=replace(self._plain, memory=memory),
        )
        self._enter(entry)

    def _enter_what_parts_teach(self) -> None:
        """Guidelines from the feedback without one part, for each part, and what most of these lists have."""
        parts = [
            [example for place, example in enumerate(self._examples) if place % PARTS != left_out]
            for left_out in range(PARTS)
        ]
        found = [self._distil(part) for part in parts if part]
        recur = recurring(self._judge, found, self._context, model=self._model)
        self._enter_guidelines("guidelines that recur", recur)
        for number, each in enumerate(found, start=1):
            self._enter_guidelines(f"guidelines without part {number}", each.guidelines)

    def _let_gepa_try(self) -> None:
        left = self._context.gateway.calls_left or 0
        granted = min(left // 2, left - len(self._labels))
        if granted < 1:
            return
        gepa = GEPAAlignmentOptimizer(self._model, max_calls=granted)
        for judge in gepa.propose(self._best.judge, self._others or self._heat, self._context)[:1]:
            self._enter_rewritten("GEPA", judge)

    def _let_simba_try(self) -> None:
        left = (self._context.gateway.calls_left or 0) - 2 * len(self._labels)
        simba = SIMBAAlignmentOptimizer(self._model)
        learn = self._others or self._heat
        if simba.estimate(len(learn), steps=1) > left:
            return
        within = replace(self._context, gateway=Allowance(self._context.gateway, max_calls=left))
        for judge in simba.propose(self._best.judge, learn, within)[:1]:
            self._enter_rewritten("SIMBA", judge)

    def _enter_rewritten(self, name: str, judge: InstructionsJudge) -> None:
        entry = _Entry(name=name, judge=judge)
        self._enter(entry)
        if entry.verdicts:
            self._finish(entry)

    def _calibrate(self) -> None:
        """Those that judged all labels, with their scale fitted to them; no verdict counts on which the fit has been."""
        for entry in list(self._entries):
            judge = entry.judge
            if len(entry.verdicts) < len(self._labels) or not can_be_calibrated(judge):
                continue
            if judge.calibration is not None or entry.name in self._calibrated:
                continue
            self._calibrated.add(entry.name)
            fitted = self._fitted(entry, self._labels)
            if fitted is None:
                continue
            verdicts = {}
            for left_out in range(FOLDS):
                others = [e for place, e in enumerate(self._labels) if place % FOLDS != left_out]
                without = self._fitted(entry, others)
                for example in self._labels[left_out::FOLDS]:
                    answer = entry.verdicts[example.trace.trace_id]
                    if answer is not None and without is not None:
                        answer = without.apply(answer, judge.value_type)
                    verdicts[example.trace.trace_id] = answer
            if not self._is_clearly_better(verdicts, entry.verdicts):
                continue
            self._entries.append(
                _Entry(
                    name=f"{entry.name}, calibrated",
                    judge=replace(judge, calibration=fitted),
                    verdicts=verdicts,
                )
            )
            self._tell_of(self._entries[-1])

    def _is_clearly_better(self, verdicts: Verdicts, present: Verdicts) -> bool:
        """By more than chance: a map fitted to a few labels must not fold rare grades away for one of them."""
        credit = self._context.metric.credit
        gains = [
            credit(e.value, verdicts[e.trace.trace_id]) - credit(e.value, present[e.trace.trace_id])
            for e in self._labels
        ]
        return math.fsum(gains) > CLEARLY * math.sqrt(math.fsum(gain**2 for gain in gains))

    def _fitted(self, entry: _Entry, labels: Sequence[Example]) -> Calibration | None:
        from alignment.calibration import fit_calibration  # loads numpy, so not at the start

        answers = [(entry.verdicts[example.trace.trace_id], example.value) for example in labels]
        known = [(answer, label) for answer, label in answers if answer is not None]
        return fit_calibration(known, self._context.metric)
