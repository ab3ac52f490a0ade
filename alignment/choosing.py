"""Which of an optimizer's proposals is worth testing: chosen on labels that the optimizer has not seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from alignment.calibration import fit_calibration
from alignment.errors import optimizer_failures
from alignment.estimates import MOST_OPTIONS, Budget, can_be_calibrated
from alignment.evaluation import Verdicts, adopt, is_same_judge, judge_all, training_trace
from alignment.events import LogLine, RunContext, Stage, use_run
from alignment.labels import Example
from alignment.result import hits
from judges.base import AlignmentOptimizer
from judges.errors import InvalidJudgeError
from judges.instructions import InstructionsJudge
from judges.llm import Allowance, use_gateway


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The judge to test; None when the current version does as well. `text` says on what it rests."""

    judge: InstructionsJudge | None
    text: str


def proposals_of(
    optimizer: AlignmentOptimizer,
    judge: InstructionsJudge,
    examples: Sequence[Example],
    context: RunContext,
    *,
    budget: Budget,
    part: str = "",
) -> list[InstructionsJudge]:
    """The optimizer's proposals that differ from the judge, its own choice first.

    A proposal that cannot be made a judge, not even with its placeholders mended, is left out with a word in the log.

    Raises:
        As `align` of optimizers does.
    """
    context.stop_if_cancelled()
    own = RunContext(
        gateway=Allowance(context.gateway, max_calls=budget.calls, max_cost=budget.cost),
        metric=context.metric,
        seed=context.seed,
        cancelled=context.cancelled,
        listener=context.emit,
        part=part,
    )
    traces = [training_trace(example, judge) for example in examples]
    with use_run(own), use_gateway(own.gateway), optimizer_failures(optimizer):
        best = optimizer.align(judge, traces)
        others = list(getattr(optimizer, "candidates_", ()))
    options: list[InstructionsJudge] = []
    for position, proposal in enumerate([best, *others][: MOST_OPTIONS + 1]):
        try:
            option = adopt(judge, proposal)
        except InvalidJudgeError as error:
            context.emit(LogLine(level="WARNING", text=f"A proposal was discarded: {error}"))
            continue
        if is_same_judge(option, judge):
            if position == 0:
                return []  # by its own measure the optimizer found nothing better
            continue
        if not any(is_same_judge(option, known) for known in options):
            options.append(option)
    return options[:MOST_OPTIONS]


def choose(
    options: Sequence[InstructionsJudge],
    judge: InstructionsJudge,
    train: Sequence[Example],
    selection: Sequence[Example],
    context: RunContext,
) -> Choice:
    """The option whose verdicts are worth most on the selection labels; the first of equals.

    Where values lie on a scale, the winner also competes with its calibrated self, fitted on the training labels; and
    so does the current version, which may need nothing else.
    """
    if not selection:
        return Choice(judge=options[0], text="The optimizer proposed a change.")
    scored: list[tuple[float, InstructionsJudge, Verdicts]] = []
    for option in (*options, judge):
        verdicts = judge_all(option, selection, context, Stage.OPTIMIZE)
        scored.append((_worth(selection, verdicts, context), option, verdicts))
    if can_be_calibrated(judge):
        winner = max(scored, key=lambda item: item[0])[1]
        for option in {id(each): each for each in (winner, judge)}.values():
            calibrated = _calibrated(option, train, context)
            if calibrated is not None:
                verdicts = judge_all(calibrated, selection, context, Stage.OPTIMIZE)
                scored.append((_worth(selection, verdicts, context), calibrated, verdicts))
    _, best, verdicts = max(scored, key=lambda item: item[0])
    of_all = f"{hits(selection, verdicts)} of {len(selection)} labels kept for choosing"
    if best is judge:
        proposals = "the proposal" if len(options) == 1 else f"none of {len(options)} proposals"
        verb = "does not do" if len(options) == 1 else "does"
        return Choice(
            judge=None, text=f"The current version agrees on {of_all}; {proposals} {verb} as well."
        )
    text = f"The best of {len(options)} proposals agrees on {of_all}."
    if best.calibration is not None and best.calibration != judge.calibration:
        text += f" Its scale is calibrated: {'; '.join(best.calibration.sentences)}."
    return Choice(judge=best, text=text)


def _worth(examples: Sequence[Example], verdicts: Verdicts, context: RunContext) -> float:
    credits = (context.metric.credit(e.value, verdicts[e.trace.trace_id]) for e in examples)
    return round(math.fsum(credits), 6)


def _calibrated(
    option: InstructionsJudge, train: Sequence[Example], context: RunContext
) -> InstructionsJudge | None:
    """The judge with its scale fitted to the training labels; None where that would change nothing."""
    plain = replace(option, calibration=None)
    answers = judge_all(plain, train, context, Stage.OPTIMIZE)
    pairs = [
        (answer, example.value)
        for example in train
        if (answer := answers[example.trace.trace_id]) is not None
    ]
    calibration = fit_calibration(pairs, context.metric)
    return None if calibration is None else replace(option, calibration=calibration)
