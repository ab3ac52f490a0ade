"""R8 to R10, R16, R20, R22 to R24: optimizers, where the best-known system spends in vain or loses a run."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from alignment.errors import ErrorKind, error_kind
from alignment.events import Event, LogLine, RunContext, use_run
from alignment.gepa import GEPAAlignmentOptimizer
from alignment.labels import Example
from alignment.metric import Metric
from alignment.reflection import feedback_text
from alignment.runner import ALREADY_ALIGNED, run_alignment
from alignment.simba import NO_SPREAD, SIMBAAlignmentOptimizer
from annotator.demo.http_stub import StubServer
from annotator.demo.model import respond
from judges.base import AlignmentOptimizer, Judge
from judges.entities import AssessmentSource, Feedback, SourceType, Trace
from judges.errors import (
    BudgetExceededError,
    Cancelled,
    NotEnoughFeedbackError,
    OptimizerError,
    ProviderError,
)
from judges.instructions import InstructionsJudge, make_judge
from judges.llm import Gateway
from judges.values import ValueKind, ValueType
from tests.alignment.support_desk import TEXT, agreement_of, desk_examples, traces_of


def small_simba(**options: Any) -> SIMBAAlignmentOptimizer:
    return SIMBAAlignmentOptimizer(**{"steps": 2, "candidates": 3, "batch_size": 8, **options})


def align(
    judge: InstructionsJudge,
    optimizer: AlignmentOptimizer,
    examples: Sequence[Example],
    events: list[Event] | None = None,
) -> tuple[Judge, Gateway]:
    gateway = Gateway(concurrency=8)
    heard = events if events is not None else []
    context = RunContext(
        gateway=gateway, metric=Metric(value_type=judge.value_type), listener=heard.append
    )
    with use_run(context):
        return optimizer.align(judge, traces_of(examples)), gateway


def test_r08_a_judge_at_temperature_0_is_made_to_vary_and_learns(
    stub: StubServer, judge: InstructionsJudge
) -> None:
    pinned = replace(judge, inference_params={"temperature": 0})
    aligned, gateway = align(pinned, small_simba(), desk_examples(30))
    assert isinstance(aligned, InstructionsJudge)
    fresh = desk_examples(30, start=1000)
    assert agreement_of(aligned, fresh, gateway) >= agreement_of(pinned, fresh, gateway) + 0.2
    assert aligned.inference_params == {"temperature": 0}
    tries = [body for body in stub.bodies if body.get("temperature")]
    assert len({body["seed"] for body in tries}) > 1


def test_r08_where_it_cannot_vary_the_first_step_ends_it_and_says_so(
    stub: StubServer, judge: InstructionsJudge
) -> None:
    stub.respond = lambda body: json.dumps({"rationale": "So it is.", "result": True})
    events: list[Event] = []
    aligned, _ = align(judge, small_simba(), desk_examples(20), events)
    assert aligned == judge
    assert stub.calls == 8 * 3, "one step's mini-batch, tried three times"
    assert NO_SPREAD in [event.text for event in events if isinstance(event, LogLine)]


def test_r09_gepas_model_reads_the_signed_error_both_reasons_and_the_experts_verdict(
    stub: StubServer, judge: InstructionsJudge
) -> None:
    align(judge, GEPAAlignmentOptimizer(max_calls=60), desk_examples(30))
    asked = [
        body["messages"][-1]["content"]
        for body in stub.bodies
        if "examples_with_feedback" in body["messages"][-1]["content"]
    ]
    assert asked
    feedback = "".join(asked)
    for words in (
        r"The judge is wrong: it said (true, the experts false|false, the experts true)",
        r"The expert's verdict is: (true|false)",
        r"The expert's reason: It (states a time frame|must)",
        r"The judge argued: \w+",
    ):
        assert re.search(words, feedback), words


def test_r09_on_a_scale_it_reads_by_how_much_and_to_which_side() -> None:
    stars = ValueType(kind=ValueKind.INTEGER, minimum=1, maximum=5)
    example = replace(desk_examples(1)[0], value=2, rationale="No date.")
    said = Feedback(
        name="support",
        value=5,
        rationale="It is polite.",
        source=AssessmentSource(source_type=SourceType.LLM_JUDGE, source_id="demo:/judge"),
    )
    assert feedback_text(example, said, Metric(value_type=stars)).splitlines() == [
        "The judge is wrong: 3 too high (error +3).",
        "The expert's verdict is: 2",
        "The expert's reason: No date.",
        "The judge said: 5",
        "The judge argued: It is polite.",
    ]


def test_r10_placeholders_that_a_model_invents_are_mended_and_the_run_is_not_lost(
    stub: StubServer, judge: InstructionsJudge
) -> None:
    def inventive(body: dict[str, Any]) -> str:
        if "examples_with_feedback" not in body["messages"][-1]["content"]:
            return respond(body)
        return json.dumps(
            {
                "new_instruction": "Compare {{ foo }} with {{ outputs }}. The answer must state a concrete time frame. "
                "The answer must not apologise."
            }
        )

    stub.respond = inventive
    aligned, _ = align(judge, GEPAAlignmentOptimizer(max_calls=80), desk_examples(30))
    assert aligned.instructions == (
        "Compare foo with {{ outputs }}. The answer must state a concrete time frame. "
        "The answer must not apologise.\n\nThe case to judge: inputs: {{ inputs }}."
    )


def test_r10_so_are_those_of_a_plugin(judge: InstructionsJudge) -> None:
    class Inventive(AlignmentOptimizer):
        def align(self, judge: Judge, traces: Sequence[Trace]) -> Judge:
            class Foreign:
                instructions = f"{TEXT} The answer must state a time frame. Mind {{{{ foo }}}}."

            return Foreign()  # type: ignore[return-value]  # a judge of another library

    result = run_alignment(
        judge=judge, examples=desk_examples(44), optimizer=Inventive(), gateway=Gateway()
    )
    assert result.candidate is not None
    assert result.candidate.instructions == f"{TEXT} The answer must state a time frame. Mind foo."


@pytest.mark.parametrize("optimizer", [small_simba(seed=0), GEPAAlignmentOptimizer(seed=0)])
def test_r16_a_seed_of_0_is_0(optimizer: Any) -> None:
    assert optimizer.seed == 0
    assert type(optimizer)(seed=1).seed == 1


def test_r20_the_documented_logger_shows_the_whole_output(
    judge: InstructionsJudge, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="alignment.optimizers.simba"):
        align(judge, small_simba(), desk_examples(14))
    lines = [r.getMessage() for r in caplog.records if r.name == "alignment.optimizers.simba"]
    for words in ("Starting batch 1 of 2", "Invoking strategy", "Scores after 2 batches"):
        assert any(words in line for line in lines), words


@pytest.mark.parametrize("budget", [40, 97, 150])
def test_r22_gepa_takes_not_one_call_more_than_its_budget_and_counts_truly(
    stub: StubServer, judge: InstructionsJudge, budget: int
) -> None:
    _, gateway = align(judge, GEPAAlignmentOptimizer(max_calls=budget), desk_examples(60))
    assert stub.calls == gateway.usage.calls <= budget


def test_r22_not_even_when_every_second_answer_has_to_be_asked_for_again(
    stub: StubServer, judge: InstructionsJudge
) -> None:
    stub.respond = lambda body: respond(body) if stub.calls % 2 else "Let me think."
    _, gateway = align(judge, GEPAAlignmentOptimizer(max_calls=60), desk_examples(40))
    assert stub.calls == gateway.usage.calls <= 60


def test_r23_a_judge_that_agrees_with_everything_is_left_alone_and_that_is_said(
    stub: StubServer, judge: InstructionsJudge
) -> None:
    rubric = " The answer must state a concrete time frame. The answer must not apologise."
    taught = replace(judge, instructions=TEXT + rubric)
    agreed = [replace(example, verdict_value=example.value) for example in desk_examples(60)]
    events: list[Event] = []
    result = run_alignment(
        judge=taught,
        examples=agreed,
        optimizer=SIMBAAlignmentOptimizer(),
        gateway=Gateway(),
        emit=events.append,
    )
    assert result.decision.reason == ALREADY_ALIGNED
    assert stub.calls == len(result.split.held_out), "the held-out part is judged afresh, no more"
    calls = stub.calls
    for optimizer in (SIMBAAlignmentOptimizer(), GEPAAlignmentOptimizer()):  # in a notebook too
        assert taught.align(traces_of(agreed), optimizer) is taught
    assert stub.calls == calls


def _too_few(judge: InstructionsJudge) -> None:
    judge.align(traces_of(desk_examples(3)))


def _no_provider(judge: InstructionsJudge) -> None:
    elsewhere = replace(judge, base_url="http://127.0.0.1:9/v1")
    run_alignment(
        judge=elsewhere,
        examples=desk_examples(44),
        optimizer=small_simba(),
        gateway=Gateway(max_attempts=1),
    )


def _no_budget(judge: InstructionsJudge) -> None:
    run_alignment(
        judge=judge,
        examples=desk_examples(44),
        optimizer=small_simba(),
        gateway=Gateway(max_calls=20),
    )


def _cancelled(judge: InstructionsJudge) -> None:
    run_alignment(
        judge=judge,
        examples=desk_examples(44),
        optimizer=small_simba(),
        gateway=Gateway(),
        cancelled=lambda: True,
    )


def _broken(judge: InstructionsJudge) -> None:
    class Breaks(AlignmentOptimizer):
        def align(self, judge: Judge, traces: Sequence[Trace]) -> Judge:
            return make_judge(judge.name, "no placeholder", judge.model)

    run_alignment(judge=judge, examples=desk_examples(44), optimizer=Breaks(), gateway=Gateway())


@pytest.mark.parametrize(
    ("fail", "error", "kind"),
    [
        (_too_few, NotEnoughFeedbackError, ErrorKind.DATA),
        (_no_provider, ProviderError, ErrorKind.PROVIDER),
        (_no_budget, BudgetExceededError, ErrorKind.BUDGET),
        (_cancelled, Cancelled, ErrorKind.CANCELLED),
        (_broken, OptimizerError, ErrorKind.OPTIMIZER),
    ],
)
def test_r24_every_kind_of_failure_has_a_type_of_its_own(
    judge: InstructionsJudge, fail: Any, error: type[BaseException], kind: ErrorKind
) -> None:
    with pytest.raises(error) as caught:
        fail(judge)
    assert error_kind(caught.value) is kind
