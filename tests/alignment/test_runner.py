"""A whole run: with SIMBA, and with optimizers of other people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from alignment.errors import ErrorKind, error_kind
from alignment.estimates import Budget
from alignment.events import (
    CallsEstimated,
    Event,
    LogLine,
    Progress,
    RunContext,
    Stage,
    StageFinished,
    StageStarted,
    StepScored,
    current_run,
)
from alignment.gate import NOTHING_CHANGED, Outcome
from alignment.labels import Example, ReasonCode
from alignment.result import Change, RunResult
from alignment.runner import ALREADY_ALIGNED, run_alignment
from alignment.sides import Side
from alignment.simba import SIMBAAlignmentOptimizer
from alignment.split import SplitPolicy
from judges.base import AlignmentOptimizer, Judge
from judges.entities import Feedback, SourceType, Trace
from judges.errors import (
    BudgetExceededError,
    Cancelled,
    NotEnoughFeedbackError,
    OptimizerError,
    ProviderError,
)
from judges.instructions import InstructionsJudge, make_judge
from judges.llm import Gateway, register_local_provider
from tests.alignment.support_desk import TEXT, desk_examples, desk_judge

RUBRIC = " The answer must state a concrete time frame. The answer must not apologise."
HARMFUL = " The answer must apologise to the customer. The answer must not state a time frame."

NO_SELECTION = SplitPolicy(selection=0.0)


class Writes(AlignmentOptimizer):
    """An optimizer that adds a text, as somebody's plugin would: only `align`, and a judge made anew."""

    def __init__(self, added: str = RUBRIC, *, others: Sequence[str] = ()) -> None:
        self.added = added
        self.others = others
        self.candidates_: list[Judge] = []
        self.contexts: list[RunContext | None] = []
        self.seen: list[list[Trace]] = []

    def align(self, judge: Judge, traces: Sequence[Trace]) -> Judge:
        self.contexts.append(current_run())
        self.seen.append(list(traces))
        texts = [self.added, *self.others]
        made = [make_judge(judge.name, judge.instructions + text, judge.model) for text in texts]
        self.candidates_ = list(made[1:])
        return made[0]


class Breaks(AlignmentOptimizer):
    """An optimizer with a bug."""

    def align(self, judge: Judge, traces: Sequence[Trace]) -> Judge:
        raise KeyError("oops")


class Forgets(AlignmentOptimizer):
    """An optimizer that returns nothing usable."""

    def align(self, judge: Judge, traces: Sequence[Trace]) -> Judge:
        return None  # type: ignore[return-value]  # what somebody's plugin may well do


def run(
    optimizer: AlignmentOptimizer,
    examples: Sequence[Example] | None = None,
    *,
    judge: InstructionsJudge | None = None,
    gateway: Gateway | None = None,
    **options: Any,
) -> RunResult:
    return run_alignment(
        judge=judge or desk_judge(),
        examples=desk_examples(60) if examples is None else examples,
        optimizer=optimizer,
        gateway=gateway or Gateway(concurrency=8),
        **options,
    )


# --- SIMBA in a run


def test_a_judge_is_aligned_tested_on_unseen_labels_and_promoted() -> None:
    events: list[Event] = []
    gateway = Gateway(concurrency=8)
    optimizer = SIMBAAlignmentOptimizer(steps=3, candidates=3, batch_size=12)
    result = run(optimizer, desk_examples(80), gateway=gateway, emit=events.append)
    assert result.decision.outcome is Outcome.PROMOTE
    assert result.candidate is not None
    assert result.candidate.instructions.startswith(TEXT)
    assert result.comparison is not None
    fixed = [item.trace_id for item in result.items if item.change is Change.FIXED]
    assert sorted(fixed) == list(result.comparison.fixed)
    assert {item.trace_id for item in result.items} == set(result.split.held_out)
    assert result.usage == gateway.usage
    assert [event.stage for event in events if isinstance(event, StageStarted)] == list(Stage)
    assert [event.stage for event in events if isinstance(event, StageFinished)] == list(Stage)
    (estimated,) = [event.calls for event in events if isinstance(event, CallsEstimated)]
    assert estimated is not None
    assert result.usage.calls <= estimated
    assert [event.step for event in events if isinstance(event, StepScored)] == [1, 2, 3]
    json.dumps([result.figures(), [item.to_dict() for item in result.items]])


def test_from_labels_that_mean_nothing_nothing_is_promoted() -> None:
    examples = desk_examples(80, are_labels_shuffled=True)
    optimizer = SIMBAAlignmentOptimizer(steps=2, candidates=3, batch_size=12)
    assert run(optimizer, examples).decision.outcome is not Outcome.PROMOTE


# --- Anybody's optimizer


def test_a_plugin_that_makes_its_judge_anew_keeps_what_the_judge_is() -> None:
    judge = desk_judge(inference_params={"temperature": 0}, description="For the desk.")
    result = run(Writes(), judge=judge)
    assert result.decision.outcome is Outcome.PROMOTE
    assert result.candidate == replace(judge, instructions=TEXT + RUBRIC)


@pytest.mark.parametrize("size", [30, 60])
def test_a_harmful_optimizer_is_never_promoted(size: int) -> None:
    result = run(Writes(HARMFUL), desk_examples(size), split_policy=NO_SELECTION)
    assert result.decision.outcome is Outcome.REJECT
    assert "not better" in result.decision.reason
    assert any(item.change is Change.BROKEN for item in result.items)


@pytest.mark.parametrize("size", [30, 60])
def test_an_optimizer_that_changes_nothing_is_rejected_without_a_test(size: int) -> None:
    gateway = Gateway(concurrency=8)
    result = run(Writes(""), desk_examples(size), gateway=gateway)
    assert result.decision.reason == NOTHING_CHANGED
    assert result.candidate is None
    assert gateway.usage.calls <= size


def test_among_several_proposals_the_selection_labels_choose() -> None:
    result = run(Writes(" Be careful.", others=[HARMFUL, RUBRIC]))
    assert result.candidate is not None
    assert result.candidate.instructions == TEXT + RUBRIC


def test_a_proposal_worse_than_the_current_version_is_not_even_tested() -> None:
    judge = desk_judge()
    taught = replace(judge, instructions=TEXT + RUBRIC)
    examples = [
        replace(e, value=not e.value) if n == 7 else e for n, e in enumerate(desk_examples(60))
    ]
    events: list[Event] = []
    result = run(
        Writes(" The answer must give a link."), examples, judge=taught, emit=events.append
    )
    assert result.decision.outcome is Outcome.REJECT
    assert result.candidate is None
    assert "kept for choosing" in result.decision.reason
    assert Stage.EVALUATE not in [e.stage for e in events if isinstance(e, StageStarted)]


def test_an_optimizer_sees_the_verdict_and_exactly_one_label_of_training_traces_only() -> None:
    optimizer = Writes()
    examples = desk_examples(60)
    result = run(optimizer, examples, seed=0)
    (traces,) = optimizer.seen
    assert [trace.trace_id for trace in traces] == list(result.split.train)
    by_id = {example.trace.trace_id: example for example in examples}
    for trace in traces:
        feedback = [f for f in trace.search_assessments("support") if isinstance(f, Feedback)]
        by_source = {f.source.source_type: f for f in feedback}
        assert len(feedback) == 2
        assert by_source[SourceType.HUMAN].value == by_id[trace.trace_id].value
        assert by_source[SourceType.HUMAN].rationale == by_id[trace.trace_id].rationale
        assert by_source[SourceType.LLM_JUDGE].value == by_id[trace.trace_id].verdict_value


def test_an_optimizer_may_know_the_run_it_works_in() -> None:
    optimizer, gateway = Writes(), Gateway(concurrency=4)
    result = run(optimizer, gateway=gateway, seed=7, budget=Budget(calls=500))
    (context,) = optimizer.contexts
    assert context is not None
    assert (context.seed, context.part) == (7, "")
    tests = 2 * len(result.split.held_out) + 5 * len(result.split.selection)
    assert context.gateway.calls_left is not None
    assert 0 < context.gateway.calls_left <= 500 - tests
    assert current_run() is None


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [(Breaks(), r"Breaks failed: KeyError"), (Forgets(), r"returned NoneType")],
)
def test_a_broken_optimizer_is_an_optimizer_error(
    optimizer: AlignmentOptimizer, words: str
) -> None:
    with pytest.raises(OptimizerError, match=words) as caught:
        run(optimizer)
    assert error_kind(caught.value) is ErrorKind.OPTIMIZER


# --- Few labels


def test_few_labels_are_tested_in_turn_and_the_candidate_learns_from_all() -> None:
    optimizer = Writes()
    result = run(optimizer, desk_examples(30))
    assert result.decision.outcome is Outcome.PROMOTE
    assert "in cross-validation" in result.decision.reason
    assert len(result.items) == 30
    parts = [context.part for context in optimizer.contexts if context]
    assert parts == ["fold 1 of 3", "fold 2 of 3", "fold 3 of 3", "all labels"]
    assert [len(traces) for traces in optimizer.seen] == [20, 20, 20, 30]
    for traces, fold in zip(optimizer.seen, result.split.folds, strict=False):
        assert not {trace.trace_id for trace in traces} & set(fold)


def test_simba_works_on_the_fewest_labels_allowed() -> None:
    optimizer = SIMBAAlignmentOptimizer(steps=1, candidates=2, batch_size=6)
    result = run(optimizer, desk_examples(10))
    assert result.split.is_cross_validated
    assert result.decision.outcome in set(Outcome)


# --- Nothing to do, or nothing to be done


def test_a_judge_that_agrees_with_everything_is_left_alone() -> None:
    judge = replace(desk_judge(), instructions=TEXT + RUBRIC)
    examples = [replace(example, verdict_value=example.value) for example in desk_examples(60)]
    optimizer, events = Writes(), list[Event]()
    result = run(optimizer, examples, judge=judge, emit=events.append)
    assert result.decision.reason == ALREADY_ALIGNED
    assert result.decision.outcome is Outcome.REJECT
    assert result.usage.calls == len(result.split.held_out)
    assert optimizer.seen == []
    assert ALREADY_ALIGNED in [event.text for event in events if isinstance(event, LogLine)]


def test_too_few_labels_are_refused_before_anything_is_spent() -> None:
    gateway = Gateway()
    with pytest.raises(NotEnoughFeedbackError, match="3 more labels") as caught:
        run(Writes(), desk_examples(7), gateway=gateway)
    assert error_kind(caught.value) is ErrorKind.DATA
    assert gateway.usage.calls == 0


def test_a_trace_that_the_judge_cannot_be_shown_is_left_out_with_its_reason() -> None:
    examples = desk_examples(60)
    bare = replace(examples[0], trace=Trace(trace_id="bare", inputs={"question": "?"}))
    result = run(Writes(), [bare, *examples[1:]])
    ((trace_id, reason),) = result.excluded
    assert trace_id == "bare"
    assert reason.code is ReasonCode.INVALID_TRACE
    assert "outputs" in str(reason)


def test_held_out_traces_of_earlier_runs_are_never_learnt_from() -> None:
    first, optimizer = run(Writes()), Writes()
    second = run(
        optimizer,
        desk_examples(90),
        held_out_before=set(first.split.held_out),
        learnt_before={*first.split.train, *first.split.selection},
    )
    assert set(first.split.held_out) <= set(second.split.held_out)
    learnt = {trace.trace_id for traces in optimizer.seen for trace in traces}
    assert not learnt & set(first.split.held_out)


def test_a_verdict_that_makes_no_sense_counts_as_wrong() -> None:
    def respond(body: dict[str, Any]) -> str:
        if "time frame" in body["messages"][0]["content"]:
            return "No idea."
        return json.dumps({"rationale": "So it is.", "result": True})

    register_local_provider("speechless", respond)
    result = run(Writes(), judge=desk_judge(model="speechless:/x"), split_policy=NO_SELECTION)
    assert result.decision.outcome is Outcome.REJECT
    tested = [item for item in result.items if item.side is Side.POSITIVE]
    assert {(item.after, item.change) for item in tested} == {(None, Change.BROKEN)}


# --- Typed endings


def test_a_provider_that_is_down_ends_the_run_with_its_own_error() -> None:
    judge = desk_judge(model="openai:/gpt-x", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(ProviderError) as caught:
        run(Writes(), judge=judge, gateway=Gateway(concurrency=4, max_attempts=1))
    assert error_kind(caught.value) is ErrorKind.PROVIDER


def test_a_spent_budget_ends_the_run() -> None:
    with pytest.raises(BudgetExceededError) as caught:
        run(SIMBAAlignmentOptimizer(), gateway=Gateway(concurrency=4, max_calls=40))
    assert error_kind(caught.value) is ErrorKind.BUDGET


def test_a_cancelled_run_ends_within_the_calls_in_flight() -> None:
    calls: list[int] = []
    gateway = Gateway(concurrency=4, on_reply=lambda call, reply: calls.append(1))
    with pytest.raises(Cancelled) as caught:
        run(SIMBAAlignmentOptimizer(), gateway=gateway, cancelled=lambda: len(calls) >= 50)
    assert error_kind(caught.value) is ErrorKind.CANCELLED
    assert len(calls) < 50 + 2 * 4


def test_an_error_that_nobody_expected_has_no_kind() -> None:
    assert error_kind(ZeroDivisionError()) is None


def test_events_come_one_at_a_time() -> None:
    inside: list[int] = []
    overlaps: list[int] = []

    def emit(event: Event) -> None:
        inside.append(1)
        if len(inside) > 1 and isinstance(event, Progress):
            overlaps.append(1)
        inside.pop()

    run(SIMBAAlignmentOptimizer(steps=1, candidates=2, batch_size=8), emit=emit)
    assert overlaps == []
