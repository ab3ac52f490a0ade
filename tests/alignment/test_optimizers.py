"""GEPA, memory and best of, for real, on the demo model and on models that misbehave."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from alignment.base import LabelledOptimizer
from alignment.best_of import BestOfAlignmentOptimizer
from alignment.events import Event, LogLine, Progress, RunContext, StepScored, use_run
from alignment.gepa import GEPAAlignmentOptimizer, learn_and_validate
from alignment.guidelines import distil
from alignment.labels import Example, LabelRule, Sides, examples_from_traces
from alignment.memory import MemoryAlignmentOptimizer
from alignment.metric import Metric
from annotator.demo.model import respond as demo_model
from judges.calls import Reply
from judges.errors import BudgetExceededError, Cancelled, ProviderError, ProviderRequestError
from judges.instructions import InstructionsJudge
from judges.llm import Allowance, Gateway, register_local_provider
from tests.alignment.support_desk import (
    TEXT,
    agreement_of,
    desk_examples,
    desk_judge,
    toss,
    traces_of,
)

OPTIMIZERS = (
    GEPAAlignmentOptimizer(max_calls=150),
    MemoryAlignmentOptimizer(),
    BestOfAlignmentOptimizer(max_calls=150),
)


class Answers(dict[str, Reply]):
    """Keeps answers in memory."""

    def put(self, key: str, reply: Reply) -> None:
        self[key] = reply


def align(
    optimizer: LabelledOptimizer,
    examples: Sequence[Example],
    *,
    judge: InstructionsJudge | None = None,
    gateway: Gateway | None = None,
    listener: Callable[[Event], None] | None = None,
) -> InstructionsJudge:
    judge = judge or desk_judge()
    context = RunContext(
        gateway=gateway or Gateway(concurrency=8),
        metric=Metric(value_type=judge.value_type),
        listener=listener or (lambda event: None),
    )
    with use_run(context):
        return optimizer.align(judge, traces_of(examples))


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda each: each.title)
def test_a_judge_learns_what_the_experts_mean_within_the_calls_foretold(
    optimizer: LabelledOptimizer,
) -> None:
    gateway = Gateway(concurrency=8)
    aligned = align(optimizer, desk_examples(40), gateway=gateway)
    assert gateway.usage.calls <= optimizer.estimate(40)
    fresh = desk_examples(40, start=1000)
    before, after = (agreement_of(each, fresh, gateway) for each in (desk_judge(), aligned))
    assert after >= before + 0.2


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda each: each.title)
def test_labels_that_mean_nothing_teach_nothing(optimizer: LabelledOptimizer) -> None:
    gateway = Gateway(concurrency=8)
    aligned = align(optimizer, desk_examples(40, are_labels_shuffled=True), gateway=gateway)
    assert agreement_of(aligned, desk_examples(60, start=1000), gateway) < 0.8


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda each: each.title)
def test_neither_the_number_of_threads_nor_a_restart_changes_the_result(
    optimizer: LabelledOptimizer,
) -> None:
    answers = Answers()
    whole = Gateway(concurrency=8, answers=answers)
    first = align(optimizer, desk_examples(30), gateway=whole)
    assert align(optimizer, desk_examples(30), gateway=Gateway(concurrency=3)) == first
    half = Answers(list(answers.items())[: len(answers) // 2])
    resumed = Gateway(concurrency=8, answers=half)
    assert align(optimizer, desk_examples(30), gateway=resumed) == first
    assert resumed.usage.calls <= whole.usage.calls - len(answers) // 2


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda each: each.title)
def test_a_provider_that_is_down_ends_it_with_its_own_error(optimizer: LabelledOptimizer) -> None:
    judge = desk_judge(model="openai:/gpt-x", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(ProviderError):
        align(
            optimizer,
            desk_examples(20),
            judge=judge,
            gateway=Gateway(max_attempts=1, concurrency=2),
        )


@pytest.mark.parametrize("optimizer", OPTIMIZERS[::2], ids=lambda each: each.title)
def test_cancelling_ends_it_within_the_calls_in_flight(optimizer: LabelledOptimizer) -> None:
    calls: list[int] = []
    gateway = Gateway(
        concurrency=4,
        on_reply=lambda call, reply: calls.append(1),
        cancelled=lambda: len(calls) >= 30,
    )
    with pytest.raises(Cancelled):
        align(optimizer, desk_examples(40), gateway=gateway)
    assert len(calls) < 30 + 4


@pytest.mark.parametrize(
    ("optimizer", "every"), [(OPTIMIZERS[0], 6), (OPTIMIZERS[2], 4)], ids=["GEPA", "Best of"]
)
def test_a_budget_of_the_run_ends_it_with_the_best_it_has_found(
    optimizer: LabelledOptimizer, every: int
) -> None:
    events: list[Event] = []
    gateway = Gateway(concurrency=8)
    granted = Allowance(gateway, max_calls=60)
    odd = [
        replace(e, value=not e.value) if n % every == 0 else e
        for n, e in enumerate(desk_examples(40))
    ]
    aligned = align(optimizer, odd, gateway=granted, listener=events.append)
    fresh = desk_examples(30, start=1000)
    before, after = (
        agreement_of(each, fresh, Gateway(concurrency=8)) for each in (desk_judge(), aligned)
    )
    assert after > before
    assert gateway.usage.calls <= 60
    assert any("used up" in event.text for event in events if isinstance(event, LogLine))


def test_gepa_tells_how_far_it_is_and_what_each_rewriting_is_worth() -> None:
    events: list[Event] = []
    align(GEPAAlignmentOptimizer(max_calls=100), desk_examples(40), listener=events.append)
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.done for event in progress] == sorted(event.done for event in progress)
    assert {event.total for event in progress} == {100}
    steps = [event for event in events if isinstance(event, StepScored)]
    assert [event.step for event in steps] == list(range(1, len(steps) + 1))
    assert all(step.step <= step.steps for step in steps)


def test_what_validates_is_never_shown_to_the_model_that_rewrites() -> None:
    shown: list[str] = []

    def respond(body: dict[str, Any]) -> str:
        text = body["messages"][-1]["content"]
        if "examples_with_feedback" in text:
            shown.append(text)
            return json.dumps({"new_instruction": f"{TEXT} Attempt {len(shown)}."})
        return json.dumps({"rationale": "So.", "result": toss(repr(body)) < 0.5})

    register_local_provider("watched", respond)
    examples = desk_examples(40)
    judge = desk_judge(model="watched:/x")
    align(GEPAAlignmentOptimizer(max_calls=200), examples, judge=judge)
    read = examples_from_traces(
        "support", traces_of(examples), LabelRule.SINGLE, Sides.default_for(judge.value_type)
    ).usable
    learn, validate = learn_and_validate("support", read, share=0.4)
    assert shown
    assert {e.trace.trace_id for e in learn} & {e.trace.trace_id for e in validate} == set()
    for example in validate:
        assert json.dumps(example.trace.inputs["question"]) not in "".join(shown)


def test_a_model_that_writes_nothing_usable_changes_nothing() -> None:
    def respond(body: dict[str, Any]) -> str:
        if "examples_with_feedback" in body["messages"][-1]["content"]:
            return "I have no idea."
        return json.dumps({"rationale": "So.", "result": True})

    register_local_provider("clueless", respond)
    judge = desk_judge(model="clueless:/x")
    assert align(GEPAAlignmentOptimizer(max_calls=90), desk_examples(20), judge=judge) == judge


def test_guidelines_of_many_cases_are_merged_capped_and_their_contradictions_said() -> None:
    asked: list[str] = []

    def respond(body: dict[str, Any]) -> str:
        system, user = (message["content"] for message in body["messages"])
        asked.append(system[:40])
        if "merge guidelines" in system:
            return json.dumps(
                {
                    "guidelines": [
                        {"guideline_text": "- Say when, see {{ foo }}.", "sources": [1, 2]},
                        {"guideline_text": "Be brief.", "sources": [3]},
                        {"guideline_text": "Be kind.", "sources": [99]},
                    ],
                    "contradictions": [{"about": "Whether to apologise."}],
                }
            )
        first = json.loads(user.partition("The cases:\n")[2])[0]["trace_id"]
        return json.dumps(
            {
                "guidelines": [
                    {"guideline_text": f"Say when ({first}).", "source_trace_ids": [first, "?"]}
                ],
                "contradictions": [{"about": "Apologies.", "trace_ids": [first]}],
            }
        )

    register_local_provider("distiller", respond)
    judge = desk_judge(model="distiller:/x")
    context = RunContext(gateway=Gateway(), metric=Metric(value_type=judge.value_type))
    examples = desk_examples(110)
    same = replace(examples[0], trace=replace(examples[0].trace, trace_id="copy"), value=False)
    found = distil(
        judge,
        [*examples, replace(examples[0], value=True), same],
        context,
        model=judge.model,
        most=2,
    )
    assert len(asked) == 3 + 1
    assert [(g.text, len(g.sources)) for g in found.guidelines] == [
        ("Say when, see foo.", 2),
        ("Be brief.", 1),
    ]
    assert "Whether to apologise." in found.contradictions
    assert "Apologies. (t0)" in found.contradictions
    assert any(
        text.startswith("The same case has different labels") for text in found.contradictions
    )


def test_a_memory_may_be_guidelines_alone_and_its_price_is_known() -> None:
    optimizer = MemoryAlignmentOptimizer(examples=0)
    memory = align(optimizer, desk_examples(30)).memory
    assert memory is not None
    assert memory.guidelines
    assert memory.examples == ()
    assert not memory.recalls
    whole = align(MemoryAlignmentOptimizer(), desk_examples(30)).memory
    assert whole is not None
    assert 0 < memory.tokens_per_verdict < whole.tokens_per_verdict


def test_for_programs_that_know_no_memory_the_guidelines_stand_in_the_text() -> None:
    aligned = align(MemoryAlignmentOptimizer(), desk_examples(30))
    plain = aligned.without_memory()
    assert plain.memory is None
    assert aligned.memory is not None
    assert all(g.text in plain.instructions for g in aligned.memory.guidelines)
    gateway, fresh = Gateway(concurrency=8), desk_examples(30, start=1000)
    assert agreement_of(plain, fresh, gateway) == agreement_of(aligned, fresh, gateway)


def test_best_of_stops_as_soon_as_the_guidelines_agree_with_every_expert() -> None:
    events: list[Event] = []
    gateway = Gateway(concurrency=8)
    align(
        BestOfAlignmentOptimizer(),
        desk_examples(40),
        gateway=gateway,
        listener=events.append,
    )
    assert gateway.usage.calls < 100
    names = [e.text for e in events if isinstance(e, LogLine) and e.text.startswith("Worth of")]
    assert names[0].startswith("Worth of the current version")
    assert names[-1].endswith("1.000.")


def test_a_list_of_guidelines_that_one_error_led_astray_loses_to_what_recurs_without_it() -> None:
    examples = desk_examples(40)
    right = {json.dumps(e.trace.inputs["question"]): e.value for e in examples}
    # The list from all labels and the one that still has the error in it say the wrong thing.
    error = replace(examples[5], value=not examples[5].value, rationale="")
    rule, astray = "Say yes where a date is given.", "Say yes to everything."

    def respond(body: dict[str, Any]) -> str:
        system, user = (message["content"] for message in body["messages"][:2])
        if "distill a set of guidelines" in system:
            shown = json.loads(user.partition("The cases:\n")[2])
            is_misled = len(shown) == len(examples) or all(r["trace_id"] != "t0" for r in shown)
            return json.dumps({"guidelines": [{"guideline_text": astray if is_misled else rule}]})
        known = [value for question, value in right.items() if question in user]
        said = known[0] if known and rule in system + user else True
        return json.dumps({"rationale": "So.", "result": said})

    register_local_provider("misled", respond)
    gateway = Gateway(concurrency=4)
    labelled = [*examples[:5], error, *examples[6:]]
    aligned = align(
        BestOfAlignmentOptimizer(), labelled, judge=desk_judge(model="misled:/x"), gateway=gateway
    )
    assert aligned.instructions == f"{TEXT}\n\n{rule}"
    assert gateway.usage.calls <= 250


def test_best_of_sets_a_scale_right_that_is_read_one_step_too_high() -> None:
    cases = desk_examples(30)
    right = {json.dumps(e.trace.inputs["question"]): 1 + n % 4 for n, e in enumerate(cases)}

    def respond(body: dict[str, Any]) -> str:
        system, user = (message["content"] for message in body["messages"][:2])
        if "guidelines" in system and "JSON object" in system:
            return json.dumps({"guidelines": []})
        known = [value for question, value in right.items() if question in user]
        return json.dumps({"rationale": "So.", "result": known[0] + 1 if known else 1})

    register_local_provider("generous", respond)
    judge = desk_judge(model="generous:/x", feedback_value_type=int)
    labelled = [replace(e, value=1 + n % 4, verdict_value=5) for n, e in enumerate(cases)]
    gateway = Gateway(concurrency=4)
    optimizer = BestOfAlignmentOptimizer(examples=0)
    aligned = align(optimizer, labelled, judge=judge, gateway=gateway)
    assert aligned.instructions == judge.instructions
    assert aligned.calibration is not None
    assert agreement_of(aligned, labelled, gateway) == 1.0


@pytest.mark.parametrize("granted", [10, 25, 45])
def test_best_of_with_a_tiny_budget_keeps_to_it(granted: int) -> None:
    gateway = Gateway(concurrency=8)
    align(BestOfAlignmentOptimizer(max_calls=granted), desk_examples(20), gateway=gateway)
    assert gateway.usage.calls <= granted


def test_best_of_with_a_larger_budget_lets_simba_try_too() -> None:
    events: list[Event] = []
    gateway = Gateway(concurrency=8)
    examples = desk_examples(40, are_labels_shuffled=True)
    optimizer = BestOfAlignmentOptimizer(max_calls=700)
    align(optimizer, examples, gateway=gateway, listener=events.append)
    said = [event.text for event in events if isinstance(event, LogLine)]
    assert any(text.startswith("Starting batch 1") for text in said)
    assert gateway.usage.calls <= 700


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: GEPAAlignmentOptimizer(max_calls=0), "max_calls"),
        (lambda: GEPAAlignmentOptimizer(validation=95), "validation"),
        (lambda: MemoryAlignmentOptimizer(guidelines=0, examples=0), "neither"),
        (lambda: MemoryAlignmentOptimizer(embedding_model="nonsense"), "not the address"),
        (lambda: BestOfAlignmentOptimizer(max_calls=5), "max_calls"),
    ],
)
def test_impossible_options_are_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_simba_takes_as_many_steps_as_the_budget_allows_and_says_so() -> None:
    from alignment.simba import SIMBAAlignmentOptimizer

    events: list[Event] = []
    simba = SIMBAAlignmentOptimizer(steps=4, candidates=3, batch_size=8)
    gateway = Gateway(concurrency=8)
    granted = Allowance(gateway, max_calls=simba.estimate(20, steps=2))
    align(simba, desk_examples(20), gateway=granted, listener=events.append)
    assert {e.steps for e in events if isinstance(e, StepScored)} == {2}
    assert "The budget allows 2 of 4 steps." in [e.text for e in events if isinstance(e, LogLine)]
    assert gateway.usage.calls <= simba.estimate(20, steps=2)
    with pytest.raises(BudgetExceededError, match="one step"):
        align(simba, desk_examples(20), gateway=Allowance(gateway, max_calls=30))


def test_it_ends_where_all_that_it_learns_from_is_right_and_the_rest_stays_wrong() -> None:
    examples = examples_from_traces(
        "support",
        traces_of(desk_examples(40)),
        LabelRule.SINGLE,
        Sides.default_for(desk_judge().value_type),
    ).usable
    learn, _ = learn_and_validate("support", examples, share=0.4)
    right = {json.dumps(e.trace.inputs["question"]): e.value for e in learn}

    def respond(body: dict[str, Any]) -> str:
        case = body["messages"][-1]["content"]
        known = [value for question, value in right.items() if question in case]
        return json.dumps({"rationale": "So.", "result": known[0] if known else False})

    register_local_provider("half-right", respond)
    judge = desk_judge(model="half-right:/x")
    gateway = Gateway(concurrency=4)
    assert align(GEPAAlignmentOptimizer(), desk_examples(40), judge=judge, gateway=gateway) == judge
    assert gateway.usage.calls <= 40


def test_a_model_that_refuses_a_temperature_is_asked_without_one() -> None:
    refused: list[Any] = []

    def respond(body: dict[str, Any]) -> str:
        if "temperature" in body:
            refused.append(body["temperature"])
            raise ProviderRequestError("This model takes no temperature.")
        return demo_model(body)

    register_local_provider("stubborn", respond)
    examples, judge = desk_examples(30), desk_judge(model="stubborn:/x")
    stubborn = align(BestOfAlignmentOptimizer(), examples, judge=judge)
    assert "temperature" not in stubborn.inference_params
    assert stubborn.instructions == align(BestOfAlignmentOptimizer(), examples).instructions
    assert set(refused) == {0}


def test_a_temperature_that_the_judge_names_stays_and_is_else_set_only_where_that_is_wanted() -> (
    None
):
    examples, warm = desk_examples(30), {"temperature": 0.4}
    aligned = align(
        BestOfAlignmentOptimizer(), examples, judge=desk_judge(inference_params=dict(warm))
    )
    assert aligned.inference_params == warm
    assert align(BestOfAlignmentOptimizer(), examples).inference_params == {"temperature": 0}
    assert align(BestOfAlignmentOptimizer(steady=False), examples).inference_params == {}


def test_a_scale_is_not_folded_where_that_gives_up_what_few_labels_have() -> None:
    """Of forty labels four are a 3; read as a 4 with some of the 4s, they would be lost for more hits."""
    cases = desk_examples(40)
    labels = [3 if n % 10 == 0 else 4 + n % 2 for n in range(40)]
    right = {json.dumps(e.trace.inputs["question"]): n for n, e in enumerate(cases)}

    def respond(body: dict[str, Any]) -> str:
        system, user = (message["content"] for message in body["messages"][:2])
        if "guidelines" in system and "JSON object" in system:
            return json.dumps({"guidelines": []})
        known = next((n for question, n in right.items() if question in user), 0)
        said = 3 if known % 4 == 2 else labels[known]
        return json.dumps({"rationale": "So.", "result": said})

    register_local_provider("strict", respond)
    judge = desk_judge(model="strict:/x", feedback_value_type=int)
    labelled = [
        replace(e, value=value, verdict_value=1) for e, value in zip(cases, labels, strict=True)
    ]
    aligned = align(BestOfAlignmentOptimizer(examples=0), labelled, judge=judge)
    assert aligned.calibration is None


def test_a_list_from_a_part_of_the_feedback_has_to_be_clearly_better() -> None:
    """One label more is chance where thirty are judged: what all feedback teaches stands."""
    examples = desk_examples(40)
    right = {json.dumps(e.trace.inputs["question"]): e.value for e in examples}
    missed = {question for place, question in enumerate(right) if place % 8 == 1}
    lucky = set(sorted(missed)[1:])

    def respond(body: dict[str, Any]) -> str:
        system, user = (message["content"] for message in body["messages"][:2])
        if "distill a set of guidelines" in system:
            shown = json.loads(user.partition("The cases:\n")[2])
            rule = "Say what all say." if len(shown) == len(examples) else "Say what some say."
            return json.dumps({"guidelines": [{"guideline_text": rule}]})
        question = next((each for each in right if each in user), None)
        if question is None or ("some say" not in system and "all say" not in system):
            return json.dumps({"rationale": "So.", "result": True})
        wrong = missed if "all say" in system else lucky
        return json.dumps({"rationale": "So.", "result": right[question] != (question in wrong)})

    register_local_provider("lucky", respond)
    aligned = align(BestOfAlignmentOptimizer(), examples, judge=desk_judge(model="lucky:/x"))
    assert aligned.instructions.endswith("Say what all say.")
