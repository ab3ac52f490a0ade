"""Best of: guidelines first, because they cost almost nothing; then GEPA and SIMBA from there, as far as the budget goes.

Labels have errors, and a list of guidelines may follow a few of them astray. So where the list from all feedback leaves
something to gain, lists are distilled from parts of it too, and what recurs in them is a list of its own. All race on
the same labels. What does not depend on each other is asked at the same time.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import ClassVar

from alignment.base import LabelledOptimizer, check_whole_number
from alignment.evaluation import Asked, Judging
from alignment.events import RunContext, Stage
from alignment.gepa import GEPAAlignmentOptimizer
from alignment.guidelines import Distilled, as_text, distil, recurring
from alignment.labels import Example
from alignment.memory import remember
from alignment.race import Entry, Race
from alignment.simba import SIMBAAlignmentOptimizer
from judges.errors import BudgetExceededError, ProviderRequestError
from judges.instructions import InstructionsJudge
from judges.llm import Allowance
from judges.memory import Guideline, Memory

MOST_CANDIDATES = 3
MOST_GUIDELINES = 12
PARTS = 4
ROOM = 0.8  # experts seldom agree with each other on more: above it rewriting would follow errors in the labels


class BestOfAlignmentOptimizer(LabelledOptimizer):
    """Distils guidelines, lets GEPA and SIMBA start from them, and keeps what agrees best with the labels.

    Where values lie on a scale, the scale of the best is fitted to the labels as well.

    Args:
        model: Distils and rewrites; None means the judge's model. A stronger one than the judge's pays.
        seed: Same traces, same seed, same answers: same result.
        max_calls: Model calls it may take in all; it takes not one more. From about 500 on SIMBA gets its turn.
        examples: How many similar labelled cases each verdict may be shown, where that does better; 0 never does.
        steady: Whether new versions are asked at a temperature of 0, where the judge names none and the model allows
            it. The same case then gets the same verdict, the likeliest one.
    """

    title: ClassVar[str] = "Best of"
    version: ClassVar[str] = "3"
    logger: ClassVar[logging.Logger] = logging.getLogger("alignment.optimizers.best_of")

    def __init__(
        self,
        model: str | None = None,
        *,
        seed: int = 0,
        max_calls: int = 250,
        examples: int = 3,
        steady: bool = True,
    ) -> None:
        super().__init__(model, seed=seed)
        check_whole_number("max_calls", max_calls, 10)
        check_whole_number("examples", examples, 0)
        self.max_calls = max_calls
        self.examples = examples
        self.steady = steady

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
        judging = Judging(own, Stage.OPTIMIZE)
        stages = _Stages(self, judge, examples, own, judging, budget=budget)
        try:
            with judging:
                stages.run()
        except BudgetExceededError:
            self.note(context, f"Best of ends: its {budget} calls are used up.")
        return stages.better()[: MOST_CANDIDATES + 1]


class _Stages:
    """How each candidate comes into the race."""

    def __init__(
        self,
        optimizer: BestOfAlignmentOptimizer,
        judge: InstructionsJudge,
        examples: Sequence[Example],
        context: RunContext,
        judging: Judging,
        *,
        budget: int,
    ) -> None:
        self._optimizer = optimizer
        self._judge = judge
        self._examples = examples
        self._context = context
        self._judging = judging
        self._model = optimizer.model or judge.model
        note = partial(optimizer.note, context)
        self._race = Race(judge.name, examples, context, judging, budget=budget, note=note)
        self._present = Entry(name="the current version", judge=judge)
        self._plain = replace(judge, calibration=None)  # which was fitted to other words
        self._lists: set[frozenset[str]] = set()

    def run(self) -> None:
        """The list from all feedback; others where something is to be gained; then GEPA and SIMBA from the best."""
        race = self._race
        learning = self._begin_to_distil(self._examples)
        steady = self._steady()
        trying = race.ask(steady, race.heat[:1]) if steady else {}
        present = race.ask(self._present, race.heat)
        if steady and self._is_taken(trying):
            self._plain = steady.judge
            self._context.say(
                "New versions are asked at a temperature of 0, as the judge names none."
            )
        found = learning.result()
        for text in found.contradictions:
            self._optimizer.tell(self._context, f"The feedback contradicts itself: {text}")
        first = self._listed("guidelines", found.guidelines)
        asked = [(first, race.ask(first, race.heat))] if first else []
        race.admit([(self._present, present), *asked])
        self._race_on(first or self._present, found)
        race.calibrate()
        if race.worth(race.best) < ROOM:
            self._let_gepa_try()
        if race.worth(race.best) < ROOM:
            self._let_simba_try()
        race.calibrate()

    def better(self) -> list[InstructionsJudge]:
        """Those that rank before the current version, the best first."""
        ranked = self._race.ranked
        if self._present not in ranked:
            return []  # the budget ended before it was known what to be better than
        return [entry.judge for entry in ranked[: ranked.index(self._present)]]

    def _begin_to_distil(self, examples: Sequence[Example]) -> Future[Distilled]:
        self._race.spend(1)
        return self._judging.begin(
            lambda: distil(
                self._judge, examples, self._context, model=self._model, most=MOST_GUIDELINES
            )
        )

    def _begin_to_learn_from_parts(self) -> list[Future[Distilled]]:
        """Guidelines from the feedback without one part, for each part."""
        parts = [
            [example for place, example in enumerate(self._examples) if place % PARTS != left_out]
            for left_out in range(PARTS)
        ]
        return [self._begin_to_distil(part) for part in parts if part]

    def _steady(self) -> Entry | None:
        """The judge at a temperature of 0, where that is wanted and it names none."""
        params = self._judge.inference_params
        if not self._optimizer.steady or "temperature" in params:
            return None
        judge = replace(self._plain, inference_params={**params, "temperature": 0})
        return Entry(name="at a temperature of 0", judge=judge)

    def _is_taken(self, asked: Asked) -> bool:
        """Whether the model answers when it is told a temperature; some refuse any."""
        try:
            self._judging.collect(asked)
        except ProviderRequestError:
            self._optimizer.note(self._context, "The model refuses a temperature of 0.")
            return False
        return True

    def _race_on(self, first: Entry, found: Distilled) -> None:
        """The first list on all labels, beside it the current version, if not worse; challengers where they can win."""
        race = self._race
        in_heat = race.worth(first)
        goes_on = [first]
        if first is not self._present and race.worth(self._present) >= in_heat:
            goes_on.append(self._present)
        is_open = race.could_be_beaten(first)
        parts = self._begin_to_learn_from_parts() if is_open else []
        asked = race.ask_for_rest(goes_on)
        challengers = self._ask_challengers(found, parts) if is_open else []
        race.admit([*asked, *challengers])
        if not is_open and race.could_be_beaten(race.best):
            challengers = self._ask_challengers(found, self._begin_to_learn_from_parts())
            race.admit(challengers)
        entries = [entry for entry, _ in challengers]
        lists = [entry for entry in entries if not entry.knows_all]
        ahead = [e for e in entries if e.knows_all and race.worth(e) > in_heat]
        if lists:
            ahead.append(max(lists, key=race.worth))
        race.admit(race.ask_for_rest(ahead))

    def _ask_challengers(
        self, found: Distilled, parts: Sequence[Future[Distilled]]
    ) -> list[tuple[Entry, Asked]]:
        """The list with examples, what most lists from parts of the feedback have, and these, each in the heat.

        Those that do not fit into the budget stay out.
        """
        race = self._race
        asked: list[tuple[Entry, Asked]] = []

        def challenge(entry: Entry | None) -> None:
            if entry is not None and race.calls_left >= len(race.heat):
                asked.append((entry, race.ask(entry, race.heat)))

        if self._optimizer.examples:
            challenge(self._with_examples(found))
        taught = [part.result() for part in parts]
        if race.calls_left:
            race.spend(1)
            recur = recurring(self._judge, taught, self._context, model=self._model)
            challenge(self._listed("guidelines that recur", recur, knows_all=False))
        for number, each in enumerate(taught, start=1):
            name = f"guidelines without part {number}"
            challenge(self._listed(name, each.guidelines, knows_all=False))
        return asked

    def _listed(
        self, name: str, guidelines: Sequence[Guideline], *, knows_all: bool = True
    ) -> Entry | None:
        """A list of guidelines; none where it is empty or has the words of another in another order."""
        words = frozenset(guideline.text for guideline in guidelines)
        if not words or words in self._lists:
            return None
        self._lists.add(words)
        judge = replace(self._plain, instructions=as_text(self._judge, guidelines))
        return Entry(name=name, judge=judge, knows_all=knows_all)

    def _with_examples(self, found: Distilled) -> Entry:
        examples = remember(self._judge, self._examples, self._context, embedding_model="")
        memory = Memory(
            guidelines=found.guidelines,
            contradictions=found.contradictions,
            examples=examples,
            shown=self._optimizer.examples,
        )
        return Entry(name="guidelines with examples", judge=replace(self._plain, memory=memory))

    def _let_gepa_try(self) -> None:
        race = self._race
        left = self._context.gateway.calls_left or 0
        granted = min(left // 2, left - len(race.labels))
        if granted < 1:
            return
        gepa = GEPAAlignmentOptimizer(self._model, max_calls=granted)
        for judge in gepa.propose(race.best.judge, race.others or race.heat, self._context)[:1]:
            self._enter_rewritten("GEPA", judge)

    def _let_simba_try(self) -> None:
        race = self._race
        left = (self._context.gateway.calls_left or 0) - 2 * len(race.labels)
        simba = SIMBAAlignmentOptimizer(self._model)
        learn = race.others or race.heat
        if simba.estimate(len(learn), steps=1) > left:
            return
        within = replace(self._context, gateway=Allowance(self._context.gateway, max_calls=left))
        for judge in simba.propose(race.best.judge, learn, within)[:1]:
            self._enter_rewritten("SIMBA", judge)

    def _enter_rewritten(self, name: str, judge: InstructionsJudge) -> None:
        """What has learnt outside the heat, on all labels."""
        race = self._race
        race.calls_left = self._context.gateway.calls_left or 0
        if all(each.judge != judge for each in race.entries):
            entry = Entry(name=name, judge=judge, knows_all=False)
            race.admit([(entry, race.ask(entry, race.labels))])
