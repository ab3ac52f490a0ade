"""SIMBA, for real: DSPy's algorithm on the demo model, and on models that misbehave."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest

from alignment import SIMBAAlignmentOptimizer
from alignment.events import Event, LogLine, Progress, RunContext, StepScored, use_run
from alignment.labels import Example
from alignment.metric import Metric, closeness
from alignment.simba import NO_SPREAD
from judges.calls import Reply
from judges.errors import (
    BudgetExceededError,
    Cancelled,
    NotEnoughFeedbackError,
    ProviderError,
)
from judges.instructions import InstructionsJudge
from judges.llm import Gateway, register_local_provider, use_gateway
from judges.values import ValueKind, ValueType
from tests.alignment.support_desk import (
    TEXT,
    agreement_of,
    desk_examples,
    desk_judge,
    toss,
    traces_of,
)


class Answers(dict[str, Reply]):
    """Keeps answers in memory."""

    def put(self, key: str, reply: Reply) -> None:
        self[key] = reply


def small(**options: Any) -> SIMBAAlignmentOptimizer:
    """SIMBA small enough for a test: 2 x 8 x 7 + 3n judgements."""
    return SIMBAAlignmentOptimizer(**{"steps": 2, "candidates": 3, "batch_size": 8, **options})


def align(
    examples: list[Example],
    *,
    judge: InstructionsJudge | None = None,
    optimizer: SIMBAAlignmentOptimizer | None = None,
    gateway: Gateway | None = None,
    listener: Callable[[Event], None] | None = None,
) -> InstructionsJudge:
    gateway = gateway or Gateway(concurrency=8)
    judge = judge or desk_judge()
    context = RunContext(
        gateway=gateway,
        metric=Metric(value_type=judge.value_type),
        listener=listener or (lambda event: None),
    )
    with use_run(context):
        return (optimizer or small()).align(judge, traces_of(examples))


def provider(name: str, respond: Callable[[dict[str, Any]], str]) -> InstructionsJudge:
    register_local_provider(name, respond)
    return desk_judge(model=f"{name}:/x")


def is_advice(body: dict[str, Any]) -> bool:
    return "better_program_trajectory" in body["messages"][-1]["content"]


def verdict(*, good: bool) -> str:
    return json.dumps({"rationale": "So it is.", "result": good})


def advice(text: str) -> str:
    rules = json.dumps({"judge": text})
    return (
        f"[[ ## discussion ## ]]\nx\n\n[[ ## module_advice ## ]]\n{rules}\n\n[[ ## completed ## ]]"
    )


# --- It learns


@pytest.mark.parametrize("judge", [desk_judge(), desk_judge(inference_params={"temperature": 0})])
def test_a_judge_learns_what_the_experts_mean_also_when_its_temperature_is_pinned(
    judge: InstructionsJudge,
) -> None:
    gateway = Gateway(concurrency=8)
    aligned = align(desk_examples(30), judge=judge, gateway=gateway)
    fresh = desk_examples(30, start=1000)
    assert aligned.instructions.startswith(TEXT + "\n\n")
    assert aligned.inference_params == judge.inference_params
    before, after = (agreement_of(each, fresh, gateway) for each in (judge, aligned))
    assert after >= before + 0.2


def test_in_a_notebook_both_orders_work_and_the_default_is_simba() -> None:
    judge, traces = desk_judge(), traces_of(desk_examples(10))
    with use_gateway(Gateway(concurrency=8)):
        first = judge.align(traces, small())
        second = judge.align(small(), traces)
        assert isinstance(judge.align(traces), InstructionsJudge)
    assert first == second
    assert judge.instructions == TEXT


def test_info_logs_two_lines_and_nothing_is_printed(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        align(desk_examples(14))
    assert [record.getMessage() for record in caplog.records if record.name.startswith("a")] == [
        "Starting SIMBA optimization with 14 examples (set logging to DEBUG for detailed output)",
        "SIMBA optimization completed",
    ]
    assert not [record for record in caplog.records if record.name.startswith("dspy")]
    assert capfd.readouterr() == ("", "")


def test_what_a_listener_prints_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    align(desk_examples(14), listener=lambda event: print(type(event).__name__))  # noqa: T201 - that is the point
    printed = capfd.readouterr().out.split()
    assert {"StepScored", "LogLine", "Progress"} == set(printed)


def test_debug_shows_every_step_score_and_strategy(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="alignment.optimizers.simba"):
        align(desk_examples(14))
    text = "\n".join(record.getMessage() for record in caplog.records)
    for words in ("Starting batch 2 of 2", "Baseline mini-batch score", "Scores after 2 batches"):
        assert words in text
    for words in ("Invoking strategy: append_a_rule", "Advice for judge", "Final trainset scores"):
        assert words in text


def test_judgements_are_counted_exactly_as_foretold_and_every_step_is_scored() -> None:
    events: list[Event] = []
    optimizer = small()
    gateway = Gateway(concurrency=8)
    align(desk_examples(20), optimizer=optimizer, gateway=gateway, listener=events.append)
    progress = [event for event in events if isinstance(event, Progress)]
    assert max(event.done for event in progress) == optimizer.judgements(20) == 2 * 8 * 7 + 3 * 20
    assert gateway.usage.calls <= optimizer.estimate(20)
    steps = [event for event in events if isinstance(event, StepScored)]
    assert [(event.step, event.steps) for event in steps] == [(1, 2), (2, 2)]
    assert all(event.best == max(event.scores) for event in steps)


def test_other_proposals_are_kept_without_repeats() -> None:
    optimizer = small()
    best = align(desk_examples(30), optimizer=optimizer)
    known = [best, *optimizer.candidates_]
    assert len({judge.instructions for judge in known}) == len(known) > 1


def test_demonstrations_show_the_experts_answer_and_never_the_case_itself() -> None:
    seen: list[dict[str, Any]] = []

    def respond(body: dict[str, Any]) -> str:
        seen.append(body)
        return verdict(good=toss(repr(body)) < 0.5)

    examples = desk_examples(14, comments=1.0)
    optimizer = small(demonstrations=2, steps=3)
    aligned = align(examples, judge=provider("shown", respond), optimizer=optimizer)
    label_of = {example.trace.inputs["question"]: example.value for example in examples}
    shown = [d for judge in (aligned, *optimizer.candidates_) for d in judge.demonstrations]
    assert shown
    for demonstration in shown:
        assert demonstration.value == label_of[demonstration.inputs["question"]]
    for body in seen:
        system, case = body["messages"][0]["content"], body["messages"][1]["content"]
        question = case.split('"question": "')[1].split('"')[0]
        assert question not in system


# --- Same input, same result


def test_the_number_of_threads_does_not_change_the_result() -> None:
    results = [align(desk_examples(20), gateway=Gateway(concurrency=threads)) for threads in (3, 8)]
    assert results[0] == results[1]


def test_a_cancelled_run_taken_up_again_pays_for_missing_calls_only() -> None:
    examples = desk_examples(20)
    whole = Gateway(concurrency=4, answers=Answers())
    expected = align(examples, gateway=whole)

    kept = Answers()
    stopped = Gateway(concurrency=4, answers=kept, cancelled=lambda: len(kept) >= 60)
    with pytest.raises(Cancelled):
        align(examples, gateway=stopped)
    for thread in threading.enumerate():
        if thread.name.startswith("ThreadPoolExecutor"):
            thread.join()
    assert 60 <= len(kept) < 60 + 4  # only what was in flight came after

    resumed = Gateway(concurrency=4, answers=kept)
    kept_before = len(kept)
    assert align(examples, gateway=resumed) == expected
    assert resumed.usage.calls == whole.usage.calls - kept_before


def test_two_runs_in_two_threads_do_not_hear_each_other() -> None:
    heard: dict[str, list[Event]] = {"one": [], "two": []}
    sizes = {"one": 12, "two": 15}

    def work(name: str) -> None:
        align(desk_examples(sizes[name]), listener=heard[name].append)

    threads = [threading.Thread(target=work, args=(name,)) for name in heard]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, events in heard.items():
        steps = [event.step for event in events if isinstance(event, StepScored)]
        assert steps == [1, 2]
        totals = {event.total for event in events if isinstance(event, Progress)}
        assert totals == {small().judgements(sizes[name])}


# --- It stops early, and says why


def test_a_model_that_never_varies_is_noticed_in_the_first_step(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gateway = Gateway(concurrency=8)
    events: list[Event] = []
    judge = provider("stubborn", lambda body: verdict(good=True))
    assert align(desk_examples(20), judge=judge, gateway=gateway, listener=events.append) == judge
    assert gateway.usage.calls == 8 * 3
    assert NO_SPREAD in [event.text for event in events if isinstance(event, LogLine)]
    assert NO_SPREAD in caplog.text


def test_what_was_found_before_the_spread_ended_is_not_lost() -> None:
    advised = threading.Event()

    def respond(body: dict[str, Any]) -> str:
        if is_advice(body):
            advised.set()
            return advice("Prefer a time frame.")
        varies = not advised.is_set() and body.get("temperature")
        return verdict(good=bool(varies and body["seed"] % 2))

    events: list[Event] = []
    optimizer = small(steps=4)
    judge = provider("tiring", respond)
    align(desk_examples(20), judge=judge, optimizer=optimizer, listener=events.append)
    assert [event.step for event in events if isinstance(event, StepScored)] == [1]
    assert any("Final trainset scores" in e.text for e in events if isinstance(e, LogLine))
    assert any("Prefer a time frame." in judge.instructions for judge in optimizer.candidates_)


def test_a_judge_that_agrees_with_everything_is_left_alone_at_no_cost() -> None:
    examples = desk_examples(20)
    traces = traces_of(examples)
    agreed = [
        trace.__class__(
            **{
                **trace.__dict__,
                "assessments": tuple(
                    a.__class__(**{**a.__dict__, "value": example.value}) for a in trace.assessments
                ),
            }
        )
        for trace, example in zip(traces, examples, strict=True)
    ]
    judge, gateway = desk_judge(), Gateway()
    with use_gateway(gateway):
        assert judge.align(agreed, small()) == judge
    assert gateway.usage.calls == 0


@pytest.mark.parametrize(
    ("examples", "missing"),
    [
        (desk_examples(8), "more label"),
        ([e for e in desk_examples(60) if e.value][:20], "9 more negative"),
        ([], "4 more labels"),
    ],
)
def test_too_little_feedback_is_refused_with_what_is_missing(
    examples: list[Example], missing: str
) -> None:
    with pytest.raises(NotEnoughFeedbackError, match=missing):
        desk_judge().align(traces_of(examples), small())


def test_feedback_under_a_nearly_right_name_is_refused_with_the_reason() -> None:
    traces = traces_of(desk_examples(12), name="Support")
    with pytest.raises(NotEnoughFeedbackError, match=r"12 traces were left out.*exactly"):
        desk_judge().align(traces, small())


# --- It fails loudly


def test_a_spent_budget_ends_the_run() -> None:
    with pytest.raises(BudgetExceededError):
        align(desk_examples(20), gateway=Gateway(concurrency=4, max_calls=30))


def test_a_provider_that_is_down_ends_the_run_and_is_not_taken_for_wrong_verdicts() -> None:
    judge = desk_judge(model="openai:/gpt-x", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(ProviderError):
        align(desk_examples(20), judge=judge, gateway=Gateway(concurrency=4, max_attempts=1))


def test_a_provider_that_fails_in_the_advice_ends_the_run() -> None:
    optimizer = small(model="openai:/gpt-x")
    with pytest.raises(ProviderError):
        align(
            desk_examples(20), optimizer=optimizer, gateway=Gateway(concurrency=4, max_attempts=1)
        )


def test_answers_that_make_no_sense_count_as_wrong() -> None:
    def respond(body: dict[str, Any]) -> str:
        if is_advice(body):
            return "What advice?"
        return verdict(good=True) if toss(repr(body)) < 0.5 else "No idea."

    judge = provider("muddled", respond)
    assert isinstance(align(desk_examples(20), judge=judge), InstructionsJudge)


def test_placeholders_that_a_model_invents_lose_their_braces() -> None:
    def respond(body: dict[str, Any]) -> str:
        if is_advice(body):
            return advice("Compare {{ customer.name }} with {{ outputs }}, SPOT ON.")
        system = body["messages"][0]["content"]
        if "SPOT ON" in system:
            answer = body["messages"][1]["content"]
            return verdict(good="within" in answer and "sorry" not in answer)
        return verdict(good=bool(body.get("temperature") and body["seed"] % 2))

    aligned = align(desk_examples(20), judge=provider("inventive", respond))
    assert aligned.instructions == TEXT + "\n\nCompare customer.name with {{ outputs }}, SPOT ON."


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "steps"),
        ({"candidates": True}, "candidates"),
        ({"batch_size": 1.5}, "batch_size"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        small(**options)


SCALE = ValueType.from_annotation(Literal["excellent", "good", "fair", "poor"])
STARS = ValueType(kind=ValueKind.INTEGER, minimum=1, maximum=5)
NAMES = ValueType(kind=ValueKind.CATEGORY, categories=("billing", "delivery"))


@pytest.mark.parametrize(
    ("value_type", "label", "given", "expected"),
    [
        (SCALE, "good", "good", 1.0),
        (SCALE, "excellent", "good", 2 / 3),
        (SCALE, "excellent", "poor", 0.0),
        (STARS, 4, 4.0, 1.0),
        (STARS, 4, 5, 0.75),
        (STARS, 1, 5, 0.0),
        (NAMES, "billing", "delivery", 0.0),
        (ValueType(kind=ValueKind.BOOLEAN), True, False, 0.0),
        (ValueType(kind=ValueKind.INTEGER), 4, 5, 0.0),
        (SCALE, "good", None, 0.0),
    ],
)
def test_a_near_miss_is_better_than_a_wild_one(
    value_type: ValueType, label: Any, given: Any, expected: float
) -> None:
    assert closeness(value_type, label, given) == pytest.approx(expected)


@pytest.fixture(autouse=True)
def _dspy_keeps_its_settings() -> Iterator[None]:
    yield
    import dspy

    assert dspy.settings.lm is None
