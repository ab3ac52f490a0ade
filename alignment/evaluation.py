"""Judging many examples at once, and what may be taken over from an optimizer's proposal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace
from typing import Self, TypeVar

from alignment.events import Progress, RunContext, Stage
from alignment.instructions import mended
from alignment.labels import Example
from judges.entities import AssessmentSource, Feedback, SourceType, Trace
from judges.errors import MalformedAnswerError, OptimizerError
from judges.instructions import Case, InstructionsJudge
from judges.values import Value

Verdicts = dict[str, Value | None]
Asked = dict[Future[Value | None], str]  # verdicts that are under way, with their traces' ids
Result = TypeVar("Result")
FAILED = "(no usable verdict)"  # stands for a failed verdict where figures need a value; it equals no label
SETTLED_BY = "settled_label"


class Judging:
    """Verdicts in the background, as many at a time as the gateway allows, whichever judge they are asked of.

    What does not depend on each other is asked before anything of it is waited for, so that no call stands idle.
    """

    def __init__(self, context: RunContext, stage: Stage) -> None:
        self._context = context
        self._stage = stage
        self._pool = ThreadPoolExecutor(context.gateway.concurrency, thread_name_prefix="judge")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)

    def begin(self, work: Callable[[], Result]) -> Future[Result]:
        """Do other work that asks the model beside the verdicts."""
        return self._pool.submit(work)

    def ask(self, judge: InstructionsJudge, examples: Sequence[Example]) -> Asked:
        """Ask for a verdict on each example, without waiting for any."""

        def verdict_on(example: Example) -> Value | None:
            self._context.stop_if_cancelled()
            try:
                case = Case.from_trace(example.trace, judge)
                return judge.evaluate(case, gateway=self._context.gateway).value
            except MalformedAnswerError:
                return None

        return {
            self._pool.submit(verdict_on, example): example.trace.trace_id for example in examples
        }

    def collect(self, asked: Asked) -> Verdicts:
        """The verdicts by trace id; None where the model gave no usable one.

        Raises:
            ProviderError: when the model cannot be reached or refuses.
            BudgetExceededError: when the gateway's budget is used up.
            Cancelled: when the run was cancelled.
        """
        verdicts: Verdicts = {}
        report_every = max(1, len(asked) // 20)
        for done, future in enumerate(as_completed(asked), start=1):
            verdicts[asked[future]] = future.result()
            if done % report_every == 0 or done == len(asked):
                self._context.emit(Progress(stage=self._stage, done=done, total=len(asked)))
        return verdicts


def judge_all(
    judge: InstructionsJudge, examples: Sequence[Example], context: RunContext, stage: Stage
) -> Verdicts:
    """The verdict on each example by trace id, many at a time; None where the model gave no usable one.

    Raises:
        As `Judging.collect` does.
    """
    with Judging(context, stage) as judging:
        return judging.collect(judging.ask(judge, examples))


def training_trace(example: Example, judge: InstructionsJudge) -> Trace:
    """The example as an optimizer gets it: the trace with the judge's verdict and one human feedback, the label."""
    verdict = Feedback(
        name=judge.name,
        value=example.verdict_value,
        error="" if example.verdict_value is not None else "The verdict failed.",
        source=AssessmentSource(source_type=SourceType.LLM_JUDGE, source_id=judge.model),
    )
    label = Feedback(
        name=judge.name,
        value=example.value,
        rationale=example.rationale,
        source=AssessmentSource(source_type=SourceType.HUMAN, source_id=SETTLED_BY),
    )
    return replace(example.trace, assessments=(*example.trace.assessments, verdict, label))


def adopt(judge: InstructionsJudge, proposal: object) -> InstructionsJudge:
    """The judge with what a proposal may change: instructions, examples, memory, and the model with its parameters.

    Name, type of value and description are the judge's own, whatever the optimizer wrote; so is the connection, unless
    the proposal names another model. Of a judge of another library only the instructions are taken. Placeholders that
    the judge does not have lose their braces, and lost ones return.

    Raises:
        OptimizerError: when the proposal is no judge.
    """
    instructions = getattr(proposal, "instructions", None)
    if not isinstance(instructions, str) or not instructions.strip():
        raise OptimizerError(
            f"The optimizer returned {type(proposal).__name__}, not a judge made by make_judge."
        )
    adopted = replace(judge, instructions=mended(instructions, judge.variables))
    if not isinstance(proposal, InstructionsJudge):
        return adopted
    adopted = replace(
        adopted,
        demonstrations=proposal.demonstrations,
        memory=proposal.memory,
        calibration=proposal.calibration,
    )
    if proposal.inference_params:
        adopted = replace(adopted, inference_params=proposal.inference_params)
    if proposal.model == judge.model:
        return adopted
    return replace(
        adopted,
        model=proposal.model,
        inference_params=proposal.inference_params,
        base_url=proposal.base_url,
        extra_headers=proposal.extra_headers,
    )


def is_same_judge(first: InstructionsJudge, second: InstructionsJudge) -> bool:
    """Whether two judges would be asked for their verdicts in the same way."""
    return first.to_dict() == second.to_dict()
