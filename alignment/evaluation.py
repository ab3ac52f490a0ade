"""Judging many examples at once, and what may be taken over from an optimizer's proposal."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace

from alignment.events import Progress, RunContext, Stage
from alignment.instructions import mended
from alignment.labels import Example
from judges.entities import AssessmentSource, Feedback, SourceType, Trace
from judges.errors import MalformedAnswerError, OptimizerError
from judges.instructions import Case, InstructionsJudge
from judges.values import Value

Verdicts = dict[str, Value | None]
FAILED = "(no usable verdict)"  # stands for a failed verdict where figures need a value; it equals no label
SETTLED_BY = "settled_label"


def judge_all(
    judge: InstructionsJudge, examples: Sequence[Example], context: RunContext, stage: Stage
) -> Verdicts:
    """The verdict on each example by trace id, many at a time; None where the model gave no usable one.

    Raises:
        ProviderError: when the model cannot be reached or refuses.
        BudgetExceededError: when the gateway's budget is used up.
        Cancelled: when the run was cancelled.
    """
    verdicts: Verdicts = {}
    if not examples:
        return verdicts
    report_every = max(1, len(examples) // 20)

    def verdict_on(example: Example) -> Value | None:
        context.stop_if_cancelled()
        try:
            case = Case.from_trace(example.trace, judge)
            return judge.evaluate(case, gateway=context.gateway).value
        except MalformedAnswerError:
            return None

    workers = min(context.gateway.concurrency, len(examples))
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="judge") as pool:
        futures = {pool.submit(verdict_on, example): example.trace.trace_id for example in examples}
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                verdicts[futures[future]] = future.result()
                if done % report_every == 0 or done == len(examples):
                    context.emit(Progress(stage=stage, done=done, total=len(examples)))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return verdicts


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
