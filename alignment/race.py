"""A race of candidates on the same labels: a heat on some of them, and those that go on judge all.

The one that all feedback taught stands unless another one is clearly better: less feedback teaches less, and of many
candidates one always looks better by chance.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from alignment.estimates import can_be_calibrated
from alignment.evaluation import Asked, Judging, Verdicts
from alignment.events import RunContext, StepScored
from alignment.gepa import learn_and_validate
from alignment.labels import Example
from judges.calibration import Calibration
from judges.errors import BudgetExceededError
from judges.instructions import InstructionsJudge
from judges.values import value_key

STEPS = 5
FOLDS = 5
CLEARLY = 1.64  # standard errors: one chance in twenty
HEAT = (
    0.35  # of the labels that decide, what every candidate is judged on; of few labels up to half
)
BUDGET_PER_LABEL = 5  # with fewer calls for each label, a sample of the labels decides


@dataclass(kw_only=True, eq=False)
class Entry:
    """A candidate.

    Attributes:
        name: What the log calls it.
        judge: The candidate.
        knows_all: Whether all feedback taught it, or a part.
        verdicts: What it has said so far.
    """

    name: str
    judge: InstructionsJudge
    knows_all: bool = True
    verdicts: Verdicts = field(default_factory=dict)


class Race:
    """The candidates so far, what they are worth, and the labels that decide.

    Args:
        name: The judge's name, by which labels are divided.
        examples: The labels.
        context: The run; its gateway's bound is the budget.
        judging: Where verdicts are asked for.
        budget: Model calls that may be made in all.
        note: Gets lines for the detailed log.

    Attributes:
        entries: The candidates that have judged the heat at least.
        labels: Those that decide, the heat first.
        heat: The labels that every candidate judges.
        others: All labels outside the heat, from other groups.
        calls_left: Calls that nothing has been asked with yet.
    """

    def __init__(
        self,
        name: str,
        examples: Sequence[Example],
        context: RunContext,
        judging: Judging,
        *,
        budget: int,
        note: Callable[[str], None],
    ) -> None:
        self._context = context
        self._judging = judging
        self._note = note
        # Groups stay together, so that cases shown as examples in a heat come from other groups than the one judged.
        most_labels = max(10, budget // BUDGET_PER_LABEL)
        in_heat = math.ceil(most_labels * HEAT)
        share = min(0.5, in_heat / len(examples))
        others, heat = learn_and_validate(name, examples, share=share)
        self.heat = heat[:in_heat]
        judged = {example.trace.trace_id for example in self.heat}
        self.others = [example for example in others if example.trace.trace_id not in judged]
        self.labels = [*self.heat, *self.others][:most_labels]
        self.entries: list[Entry] = []
        self.calls_left = budget
        self._calibrated: set[str] = set()
        self._steps = 0

    @property
    def ranked(self) -> list[Entry]:
        """Those judged on most labels first, then by worth; of equals the one that came first.

        Who knows a part of the feedback only, stands before the best of those that know all if it is clearly better.
        """
        ranked = sorted(self.entries, key=lambda each: (-len(each.verdicts), -self.worth(each)))
        whole = next((each for each in ranked if each.knows_all), None)
        if whole is None:
            return ranked
        place = ranked.index(whole)
        ahead = [each for each in ranked[:place] if self._is_clearly_better(each, whole)]
        behind = [each for each in ranked if each is not whole and each not in ahead]
        return [*ahead, whole, *behind]

    @property
    def best(self) -> Entry:
        """The first of them."""
        return self.ranked[0]

    def worth(self, entry: Entry) -> float:
        """What its verdicts are worth, 0 to 1, on the labels that it has judged."""
        known = self._known(entry)
        return round(math.fsum(self._credit(entry, e) for e in known) / len(known), 9)

    def could_be_beaten(self, entry: Entry) -> bool:
        """Whether it loses so much that one that loses nothing would be clearly better."""
        lost = [1.0 - self._credit(entry, e) for e in self._known(entry)]
        return math.fsum(lost) > CLEARLY * math.sqrt(math.fsum(each**2 for each in lost))

    def spend(self, calls: int) -> None:
        """Count calls before they are asked for, so that the same ones fit into the budget however fast they are.

        Raises:
            BudgetExceededError: when they do not fit.
        """
        if calls > self.calls_left:
            raise BudgetExceededError("The next step does not fit into the budget.")
        self.calls_left -= calls

    def ask(self, entry: Entry, labels: Sequence[Example]) -> Asked:
        """Ask for its verdicts on labels; what it remembers of these cases and those beside them stays hidden."""
        self.spend(len(labels))
        judge, memory = entry.judge, entry.judge.memory
        if memory is not None:
            hidden = {example.trace.trace_id for example in labels}
            shown = tuple(each for each in memory.examples if each.trace_id not in hidden)
            judge = replace(judge, memory=replace(memory, examples=shown))
        return self._judging.ask(judge, labels)

    def ask_for_rest(self, entries: Iterable[Entry]) -> list[tuple[Entry, Asked]]:
        """Ask entries for their verdicts on the labels outside the heat."""
        rest = self.labels[len(self.heat) :]
        return [
            (entry, self.ask(entry, rest))
            for entry in entries
            if rest and len(entry.verdicts) < len(self.labels)
        ]

    def admit(self, asked: Iterable[tuple[Entry, Asked]]) -> None:
        """Wait for the verdicts asked of entries, and let them take part."""
        for entry, verdicts in asked:
            entry.verdicts |= self._judging.collect(verdicts)
            if entry not in self.entries:
                self.entries.append(entry)
            self._tell_of(entry)

    def calibrate(self) -> None:
        """Those that judged all labels, with their scale fitted to them; no verdict counts on which the fit has been."""
        for entry in list(self.entries):
            judge = entry.judge
            if len(entry.verdicts) < len(self.labels) or not can_be_calibrated(judge):
                continue
            if judge.calibration is not None or entry.name in self._calibrated:
                continue
            self._calibrated.add(entry.name)
            fitted = self._fitted(entry, self.labels)
            if fitted is None or not self._can_still_say_all(fitted):
                continue
            calibrated = Entry(
                name=f"{entry.name}, calibrated",
                judge=replace(judge, calibration=fitted),
                knows_all=entry.knows_all,
            )
            for left_out in range(FOLDS):
                others = [e for place, e in enumerate(self.labels) if place % FOLDS != left_out]
                without = self._fitted(entry, others)
                for example in self.labels[left_out::FOLDS]:
                    answer = entry.verdicts[example.trace.trace_id]
                    if answer is not None and without is not None:
                        answer = without.apply(answer, judge.value_type)
                    calibrated.verdicts[example.trace.trace_id] = answer
            if self._is_clearly_better(calibrated, entry):
                self.entries.append(calibrated)
                self._tell_of(calibrated)

    def _fitted(self, entry: Entry, labels: Sequence[Example]) -> Calibration | None:
        from alignment.calibration import fit_calibration  # loads numpy, so not at the start

        answers = [(entry.verdicts[example.trace.trace_id], example.value) for example in labels]
        known = [(answer, label) for answer, label in answers if answer is not None]
        return fit_calibration(known, self._context.metric)

    def _can_still_say_all(self, calibration: Calibration) -> bool:
        """Whether no grade that experts give is folded into another: few labels decide about a rare one."""
        said = {value_key(image) for _, image in calibration.grades}
        return not said or all(value_key(example.value) in said for example in self.labels)

    def _known(self, entry: Entry) -> list[Example]:
        return [example for example in self.labels if example.trace.trace_id in entry.verdicts]

    def _credit(self, entry: Entry, example: Example) -> float:
        return self._context.metric.credit(example.value, entry.verdicts[example.trace.trace_id])

    def _is_clearly_better(self, entry: Entry, than: Entry) -> bool:
        """By more than chance on the labels that both judged, and not by giving up what only few labels say.

        Where nine of ten labels are alike, more hits are easily had by saying that alone.
        """
        shared = [e for e in self._known(entry) if e.trace.trace_id in than.verdicts]
        gains = [self._credit(entry, e) - self._credit(than, e) for e in shared]
        by_value: dict[str, list[float]] = defaultdict(list)
        for example, gain in zip(shared, gains, strict=True):
            by_value[value_key(example.value)].append(gain)
        balanced = math.fsum(math.fsum(each) / len(each) for each in by_value.values())
        clearly = CLEARLY * math.sqrt(math.fsum(gain**2 for gain in gains))
        return balanced > 0 and math.fsum(gains) > clearly

    def _tell_of(self, entry: Entry) -> None:
        worth = self.worth(entry)
        self._note(f"Worth of {entry.name} on {len(entry.verdicts)} labels: {worth:.3f}.")
        self._steps += 1
        self._context.emit(
            StepScored(
                step=self._steps,
                steps=max(STEPS, self._steps),
                scores=(worth,),
                best=self.worth(self.best),
                part=self._context.part,
            )
        )
