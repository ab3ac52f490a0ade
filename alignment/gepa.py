"""GEPA: instructions rewritten by reflection on what went wrong, the best kept on a validation set.

The algorithm is the GEPA library's (Genetic-Pareto, Agrawal et al. 2025); ours are the judge, the metric, what the
model is told of each verdict, the mending of placeholders, and a budget that ends it at the call.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from alignment.base import LabelledOptimizer, check_whole_number
from alignment.errors import Aborted
from alignment.events import Progress, RunContext, Stage, StepScored
from alignment.instructions import mended, merged_instructions
from alignment.labels import Example
from alignment.reflection import as_json, ask, feedback_text, shown_fields
from alignment.split import SplitItem, SplitPolicy, make_split
from judges.entities import Feedback
from judges.errors import BudgetExceededError, JudgeError, MalformedAnswerError
from judges.instructions import Case, InstructionsJudge
from judges.llm import Allowance

if TYPE_CHECKING:
    from gepa.core.adapter import EvaluationBatch

MOST_CANDIDATES = 3
MOST_ROUNDS = 60  # where every verdict is known already, or right, a round costs nothing and nothing else would end it
FEWEST_TO_VALIDATE = 16
MOST_TO_VALIDATE = 40
COMPONENT = "instructions"

_SYSTEM = (
    "You improve the instructions of a judge, so that its verdicts agree with those of experts. You are shown the "
    "current instructions and cases with the judge's answer and feedback on it. Find what the experts look for and the "
    "judge does not, as general rules; do not describe single cases. Keep what works, drop what contradicts the "
    "experts, and keep every placeholder in double braces, such as {{ inputs }}, exactly as it stands; add no other. "
    'Answer with one JSON object: {"new_instruction": "the whole new text"}.'
)


class GEPAAlignmentOptimizer(LabelledOptimizer):
    """Aligns a judge with GEPA.

    Args:
        model: Rewrites the instructions; None means the judge's model. A stronger one than the judge's pays.
        seed: Same traces, same seed, same answers: same result.
        max_calls: Model calls it may take, reflections included; it takes not one more.
        minibatch: Cases that each rewriting is shown and first tried on.
        validation: Share of the examples that chooses among rewritings and is never shown to the model, in per cent.
    """

    title: ClassVar[str] = "GEPA"
    version: ClassVar[str] = "1"
    logger: ClassVar[logging.Logger] = logging.getLogger("alignment.optimizers.gepa")

    def __init__(
        self,
        model: str | None = None,
        *,
        seed: int = 0,
        max_calls: int = 240,
        minibatch: int = 8,
        validation: int = 40,
    ) -> None:
        super().__init__(model, seed=seed)
        for name, value, least in (
            ("max_calls", max_calls, 1),
            ("minibatch", minibatch, 2),
            ("validation", validation, 10),
        ):
            check_whole_number(name, value, least)
        if validation > 90:
            raise ValueError("validation must be from 10 to 90 per cent.")
        self.max_calls = max_calls
        self.minibatch = minibatch
        self.validation = validation

    def estimate(self, n: int) -> int:
        """Most model calls that an alignment with n examples takes: its budget."""
        return self.max_calls

    def propose(
        self, judge: InstructionsJudge, examples: Sequence[Example], context: RunContext
    ) -> Sequence[InstructionsJudge]:
        """The instructions that do better on the validation part, the best first."""
        from gepa.api import optimize

        learn, validate = learn_and_validate(judge.name, examples, share=self.validation / 100)
        left = context.gateway.calls_left
        budget = self.max_calls if left is None else min(self.max_calls, left)
        work: Any = _Work(self, judge, context, budget=budget, validate=validate)
        try:
            optimize(
                seed_candidate={COMPONENT: judge.instructions},
                trainset=list(learn),
                valset=list(validate),
                adapter=work,
                reflection_minibatch_size=min(self.minibatch, len(learn)),
                stop_callbacks=[work.ends],
                logger=work,
                callbacks=[work],
                seed=context.seed,
            )
        except _BudgetUsed:
            work.has_run_out = True
        except Aborted as aborted:
            raise aborted.cause from None
        if work.has_run_out:
            self.note(context, f"GEPA ends: its {budget} calls are used up.")
        better: list[InstructionsJudge] = work.best()
        return better[: MOST_CANDIDATES + 1]


def learn_and_validate(
    salt: str, examples: Sequence[Example], *, share: float
) -> tuple[list[Example], list[Example]]:
    """What an optimizer learns from, and what chooses among its proposals; the same where there are too few to divide."""
    if len(examples) < FEWEST_TO_VALIDATE:
        return list(examples), list(examples)
    split = make_split(
        [SplitItem(trace_id=e.trace.trace_id, side=e.side, group=e.group) for e in examples],
        salt=f"{salt}/validate",
        policy=SplitPolicy(
            held_out=min(share, MOST_TO_VALIDATE / len(examples)),
            split_from=0,
            min_held_out=1,
            selection_from=len(examples) + 1,
        ),
    )
    if split.is_cross_validated or not split.train:  # they are all one group
        return list(examples), list(examples)
    by_id = {example.trace.trace_id: example for example in examples}
    return [by_id[i] for i in split.train], [by_id[i] for i in split.held_out]


class _BudgetUsed(BaseException):
    """The next step does not fit into the budget. No Exception, because the library logs those and goes on."""


class _Work:
    """GEPA's view of the judge: an adapter that judges, reflects and rewrites, and a listener that keeps count."""

    def __init__(
        self,
        optimizer: GEPAAlignmentOptimizer,
        judge: InstructionsJudge,
        context: RunContext,
        *,
        budget: int,
        validate: Sequence[Example],
    ) -> None:
        self._optimizer = optimizer
        self._judge = judge
        self._context = context
        self._gateway = Allowance(context.gateway, max_calls=budget)
        self._budget = budget
        self._verdicts: dict[tuple[str, str], Feedback | None] = {}
        self._scores: dict[str, float] = {}  # instructions -> worth on the validation part
        self._begun = 0
        self.has_run_out = False
        round_calls = 2 * optimizer.minibatch + 1 + len(validate)
        self._rounds = max(1, (budget - len(validate)) // round_calls)

    def ends(self, _state: object) -> bool:
        """Whether there is nothing left to do or to do it with; the library asks before each round."""
        known = self._scores.get(self._judge.instructions)
        best = max(self._scores.values(), default=0.0)
        self._begun += 1
        self.has_run_out = self._gateway.calls_left == 0
        is_perfect = known is not None and best >= 1.0
        return self.has_run_out or is_perfect or self._begun > MOST_ROUNDS

    def best(self) -> list[InstructionsJudge]:
        """The judges that are worth more than the present one on the validation part, the best first."""
        present = self._scores.get(self._judge.instructions)
        if present is None:
            return []
        better = [text for text, score in self._scores.items() if score > present + 1e-9]
        better.sort(key=lambda text: -self._scores[text])
        return [replace(self._judge, instructions=text) for text in better]

    # --- What the library calls

    def log(self, message: str) -> None:
        """A line of the library's log."""
        self._optimizer.note(self._context, message)

    def evaluate(
        self,
        batch: list[Example],
        candidate: dict[str, str],
        capture_traces: bool = False,  # noqa: FBT001, FBT002 - the library's
    ) -> EvaluationBatch[Any, Any]:
        """Judge a batch, all at once; it is not begun when the budget does not suffice for all of it."""
        from gepa.core.adapter import EvaluationBatch

        instructions = candidate[COMPONENT]
        judge = replace(self._judge, instructions=instructions)
        new = [e for e in batch if (instructions, e.trace.trace_id) not in self._verdicts]
        left = self._gateway.calls_left
        if left is not None and len(new) > left:
            raise _BudgetUsed
        with ThreadPoolExecutor(max(1, min(len(new), self._gateway.concurrency))) as pool:
            try:
                for example, verdict in zip(
                    new, pool.map(partial(self._verdict, judge), new), strict=True
                ):
                    self._verdicts[instructions, example.trace.trace_id] = verdict
            except BudgetExceededError:  # answers that had to be asked for again took the rest
                pool.shutdown(cancel_futures=True)
                raise _BudgetUsed from None
            except JudgeError as error:
                pool.shutdown(cancel_futures=True)
                raise Aborted(error) from error
        self._tell_progress()
        verdicts = [self._verdicts[instructions, e.trace.trace_id] for e in batch]
        metric = self._context.metric
        scores = [
            metric.credit(example.value, verdict.value if verdict else None)
            for example, verdict in zip(batch, verdicts, strict=True)
        ]
        return EvaluationBatch(
            outputs=verdicts,
            scores=scores,
            trajectories=list(zip(batch, verdicts, strict=True)) if capture_traces else None,
        )

    def make_reflective_dataset(
        self,
        candidate: dict[str, str],
        eval_batch: EvaluationBatch[Any, Any],
        components_to_update: list[str],
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """What the model is told of each verdict of a mini-batch."""
        told = [
            {
                "Inputs": shown_fields(self._judge, Case.from_trace(example.trace, self._judge)),
                "Generated Outputs": verdict.rationale if verdict else "(no usable answer)",
                "Feedback": feedback_text(example, verdict, self._context.metric),
            }
            for example, verdict in eval_batch.trajectories or ()
        ]
        return dict.fromkeys(components_to_update, told)

    def propose_new_texts(
        self,
        candidate: dict[str, str],
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]],
        components_to_update: list[str],
    ) -> dict[str, str]:
        """New instructions with exactly the judge's placeholders; the old ones when the model gave none."""
        judge, old = self._judge, candidate[COMPONENT]
        if self._gateway.calls_left == 0:
            raise _BudgetUsed
        user = (
            f"[[ ## current_instruction ## ]]\n{old}\n\n"
            f"[[ ## examples_with_feedback ## ]]\n{as_json(reflective_dataset[COMPONENT])}"
        )
        model = self._optimizer.model or judge.model
        try:
            answer = ask(self._gateway, model, judge, _SYSTEM, user)
        except BudgetExceededError:
            raise _BudgetUsed from None
        except JudgeError as error:
            raise Aborted(error) from error
        new = str((answer or {}).get("new_instruction") or "").strip()
        if not new:
            return {COMPONENT: old}
        if new.startswith(judge.instructions.rstrip()):
            return {COMPONENT: merged_instructions(judge.instructions, new, judge.variables)}
        return {COMPONENT: mended(new, judge.variables)}

    def on_valset_evaluated(self, event: Mapping[str, Any]) -> None:
        """A rewriting was accepted and tried on the validation part."""
        self._scores[event["candidate"][COMPONENT]] = float(event["average_score"])
        self._context.emit(
            StepScored(
                step=min(len(self._scores), self._rounds + 1),
                steps=self._rounds + 1,
                scores=(float(event["average_score"]),),
                best=max(self._scores.values()),
                part=self._context.part,
            )
        )

    def _verdict(self, judge: InstructionsJudge, example: Example) -> Feedback | None:
        self._context.stop_if_cancelled()
        try:
            return judge.evaluate(Case.from_trace(example.trace, judge), gateway=self._gateway)
        except MalformedAnswerError:
            return None

    def _tell_progress(self) -> None:
        done = self._budget - (self._gateway.calls_left or 0)
        self._context.emit(Progress(stage=Stage.OPTIMIZE, done=done, total=self._budget))
