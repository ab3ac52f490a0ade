"""The offline demo model: it applies what is written, learns from what it is shown, and says what it is."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import Any, Literal

import dspy
import pytest
from dspy.teleprompt.gepa.instruction_proposal import ProposeInstruction
from dspy.teleprompt.simba_utils import OfferFeedback

from annotator.demo.criteria import Criterion, JudgedText, criteria_in, wishes_in
from annotator.demo.grading import best_first
from annotator.demo.model import DEMO_MODEL_NAME, DEMO_MODEL_NOTICE, respond
from annotator.demo.reflection import Lesson, advice_on, criteria_from
from annotator.demo.vocabulary import VOCABULARY
from annotator.demo.world import demo_world, hidden_label
from judges.answers import parse_answer
from judges.entities import Span, Trace
from judges.instructions import Case, Demonstration, InstructionsJudge
from judges.render import answer_schema, render
from judges.values import ValueKind, ValueType

GENERAL = "Judge the answer in {{ outputs }} to {{ inputs }}. A good answer is helpful, polite and accurate."
FOUR = Literal["excellent", "good", "fair", "poor"]
FLAWED = "Your amazing lamp is on its way. Please reply with your order number."
CASE = Case(inputs={"question": "Where is my lamp?"}, outputs={"answer": FLAWED})
CRITERIA = (
    "The answer must state a concrete time frame.\nThe answer must give the customer a concrete next step.\n"
    "The answer must have at most 70 words.\nThe answer must not use hype."
)


def judge_of(instructions: str = GENERAL, kind: Any = FOUR, **options: Any) -> InstructionsJudge:
    return InstructionsJudge(
        name="quality",
        instructions=instructions,
        value_type=ValueType.from_annotation(kind),
        model=DEMO_MODEL_NAME,
        **options,
    )


def answer_of(
    judge: InstructionsJudge, case: Case = CASE, *, with_schema: bool = True, **more: Any
):
    body: dict[str, Any] = {"model": judge.model, "messages": list(render(judge, case)), **more}
    if with_schema:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"schema": answer_schema(judge)},
        }
    return parse_answer(respond(body), judge.value_type)


def test_it_says_that_it_is_not_a_language_model():
    assert "not a language model" in DEMO_MODEL_NOTICE
    assert DEMO_MODEL_NAME.startswith("demo:/")


# --- Criteria


@pytest.mark.parametrize("is_wanted", [True, False])
@pytest.mark.parametrize("notion", VOCABULARY)
def test_what_it_writes_it_reads_back(notion: str, is_wanted: bool):
    criterion = Criterion(notion=notion, is_wanted=is_wanted)
    assert criteria_in(criterion.sentence) == [criterion]


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        (GENERAL, []),
        ("The answer mentions a date.", []),
        ("The answer must state a time frame.", [("time_frame", True)]),
        ("An answer without a time frame is poor.", [("time_frame", True)]),
        ("The answer must not lack a next step.", [("next_step", True)]),
        ("Penalise hype.", [("hype", False)]),
        ("Never apologise, but always give a link.", [("apology", False), ("link", True)]),
        (
            "It should name the order number and a price.",
            [("order_number", True), ("price", True)],
        ),
        ("It must be free of jargon.", [("jargon", False)]),
        ("Answers must have at most 70 words.", [("max_words", 70)]),
        ("Use no more than 50 words.", [("max_words", 50)]),
        ("Write at least 20 words.", [("min_words", 20)]),
        ("It must be concise.", [("max_words", 80)]),
        ("It must have at most 90 words.\nIt must have at most 60 words.", [("max_words", 60)]),
        ("It must mention “warranty”.", [("phrase", True)]),
        ("It must not mention “warranty”.", [("phrase", False)]),
        ("It must address the question asked.", [("on_topic", True)]),
    ],
)
def test_it_reads_the_criteria_that_instructions_state(
    instructions: str, expected: list[tuple[str, bool | int]]
):
    read = [(c.notion, c.limit or c.is_wanted) for c in criteria_in(instructions)]
    assert read == expected


@pytest.mark.parametrize(
    ("comment", "answer", "expected"),
    [
        ("No date at all.", "It comes soon.", {("time_frame", True)}),
        ("No date at all.", "It comes on Friday.", set()),
        ("A time frame is missing.", "It comes soon.", {("time_frame", True)}),
        ("It says how long it takes.", "It takes 3 days.", {("time_frame", True)}),
        ("What the customer should do is not said.", "Bad luck.", {("next_step", True)}),
        ("Too much marketing talk.", "An amazing lamp.", {("hype", False)}),
        ("There is no marketing talk.", "A lamp.", {("hype", False)}),
        ("You should never promise a date.", "It comes on Friday.", {("time_frame", False)}),
        ("Too long, 70 words are enough.", "word " * 100, {("max_words", 70)}),
        ("It rambles.", "word " * 100, {("max_words", 70)}),
        ("It is nice and brief.", "word " * 50, {("max_words", 70)}),
        ("I do not like it.", "It comes soon.", set()),
    ],
)
def test_a_comment_counts_where_it_fits_the_answer(
    comment: str, answer: str, expected: set[tuple[str, bool | int]]
):
    wishes = wishes_in(comment, JudgedText(answer=answer))
    assert {(wish.notion, wish.limit or wish.is_wanted) for wish in wishes} == expected


# --- Judging


def test_each_violated_criterion_costs_one_category_and_is_named():
    assert answer_of(judge_of(f"{GENERAL}\n{CRITERIA}")) == (
        "fair",
        "The answer gives a concrete next step and has 13 words, where at most 70 are asked for, but it states no "
        "concrete time frame and uses hype.",
    )


def test_without_criteria_it_says_that_it_has_only_an_impression():
    _, rationale = answer_of(judge_of())
    assert rationale.startswith("General impression")
    assert "no checkable criterion" in rationale


@pytest.mark.parametrize("with_schema", [True, False])
@pytest.mark.parametrize(
    ("value_type", "half_met", "all_met"),
    [
        (ValueType.from_annotation(bool), False, True),
        (ValueType.from_annotation(FOUR), "fair", "excellent"),
        (ValueType.from_annotation(Literal["bad", "ok", "good"]), "bad", "good"),
        (ValueType.from_annotation(Literal[1, 2, 3, 4]), 2, 4),
        (ValueType(kind=ValueKind.INTEGER, minimum=1, maximum=5), 3, 5),
        (ValueType(kind=ValueKind.NUMBER, minimum=0, maximum=1), 0.5, 1.0),
        (ValueType(kind=ValueKind.INTEGER, minimum=10), 12, 14),
        (ValueType.from_annotation(str), "meets few of the criteria", "meets the criteria"),
    ],
)
def test_it_answers_in_the_declared_type(
    value_type: ValueType, half_met: Any, all_met: Any, with_schema: bool
):
    better = Case(inputs="?", outputs="Please reply by Friday.")
    judge = judge_of(f"{GENERAL}\n{CRITERIA}", value_type)
    assert answer_of(judge, with_schema=with_schema)[0] == half_met
    assert answer_of(judge, better, with_schema=with_schema)[0] == all_met


@pytest.mark.parametrize(
    ("categories", "expected"),
    [
        (("poor", "fair", "good"), ["good", "fair", "poor"]),
        (("yes", "no"), ["yes", "no"]),
        ((1, 2, 3), [3, 2, 1]),
        (("blue", "green"), ["blue", "green"]),
        (("bad", "so-so", "good"), ["good", "so-so", "bad"]),
    ],
)
def test_categories_are_ordered_by_what_they_mean(categories: tuple[Any, ...], expected: list[Any]):
    assert best_first(categories) == expected


def test_the_same_question_gets_the_same_answer():
    assert answer_of(judge_of()) == answer_of(judge_of())
    sample: dict[str, Any] = {"temperature": 1.0, "seed": 3}
    assert answer_of(judge_of(), **sample) == answer_of(judge_of(), **sample)


def test_at_a_temperature_it_varies_by_seed_and_less_where_criteria_decide():
    def share_of_commonest(judge: InstructionsJudge) -> float:
        values = [answer_of(judge, temperature=1.0, seed=seed)[0] for seed in range(60)]
        return max(values.count(value) for value in set(values)) / len(values)

    assert share_of_commonest(judge_of()) < 0.75
    assert 0.75 < share_of_commonest(judge_of(f"{GENERAL}\n{CRITERIA}")) < 1.0


def test_neither_examples_nor_the_case_are_taken_for_instructions():
    example = Demonstration(inputs="?", outputs="The answer must not use hype.", value="good")
    judge = judge_of(demonstrations=(example,))
    assert "no checkable criterion" in answer_of(judge)[1]
    case = Case(inputs="The answer must not apologise.", outputs="It must give a link.")
    assert "no checkable criterion" in answer_of(judge_of(), case)[1]


def test_it_finds_the_last_answer_of_a_conversation_and_of_a_trace():
    messages = [
        {"role": "user", "content": "It takes 3 days?"},
        {"role": "assistant", "content": "An amazing question!"},
        {"role": "user", "content": "And?"},
    ]
    outputs = {"message": {"role": "assistant", "content": "It comes soon."}}
    span = Span(
        span_id="1", name="root", start_ns=0, end_ns=5, inputs={"q": "3 days"}, outputs=outputs
    )
    below = Span(span_id="2", parent_id="1", name="llm", start_ns=1, end_ns=2, outputs="amazing")
    trace = Trace(trace_id="t", inputs={"messages": messages}, outputs=outputs, spans=(span, below))
    for variable in ("conversation", "trace"):
        judge = judge_of(
            f"Judge {{{{ {variable} }}}}. It must state a time frame. It must not use hype.", bool
        )
        value, rationale = answer_of(judge, Case.from_trace(trace, judge))
        assert value is False
        assert rationale == "The answer uses no hype, but it states no concrete time frame."


@pytest.mark.parametrize("adapter", [dspy.ChatAdapter(), dspy.JSONAdapter()], ids=["chat", "json"])
def test_it_judges_through_dspys_adapters(adapter: Any):
    signature = dspy.Signature(
        "inputs: str, outputs: str -> rationale: str, result: Literal['good', 'bad']",
        "Judge it. The answer must not use hype.",
        custom_types={"Literal": Literal},
    )
    messages = adapter.format(signature, [], {"inputs": "Where?", "outputs": FLAWED})
    answer = adapter.parse(signature, respond({"messages": messages}))
    assert answer == {"rationale": answer["rationale"], "result": "bad"}
    assert "uses hype" in answer["rationale"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": []},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]},
        {"messages": [{"role": "user", "content": "[[ ## better_program_trajectory ## ]]\n{"}]},
        {"messages": [{"role": "user", "content": "[[ ## examples_with_feedback ## ]]\n7"}]},
        {"messages": [{"role": "user", "content": "Distill a set of guidelines: [{]"}]},
    ],
)
def test_it_has_an_answer_to_any_prompt(body: dict[str, Any]):
    assert respond(body)


# --- As an optimizer's model


def advice(adapter: Any, *, label: str, reason: str, instructions: str = GENERAL) -> str:
    fields = dict.fromkeys(OfferFeedback.input_fields, "-")
    fields |= {
        "modules_defn": f"Module judge\n\tOriginal Instructions: \n\t\t{instructions}",
        "program_inputs": json.dumps({"inputs": CASE.inputs, "outputs": CASE.outputs}),
        "oracle_metadata": json.dumps({"expert_label": label, "expert_rationale": reason}),
        "module_names": json.dumps(["judge"]),
    }
    answer = respond({"messages": adapter.format(OfferFeedback, [], fields)})
    parsed = adapter.parse(OfferFeedback, answer)
    assert parsed["discussion"]
    return str(parsed["module_advice"]["judge"])


@pytest.mark.parametrize("adapter", [dspy.ChatAdapter(), dspy.JSONAdapter()], ids=["chat", "json"])
def test_simbas_advice_states_what_the_comment_names(adapter: Any):
    text = advice(adapter, label="fair", reason="No date, and it sounds like an advert.")
    assert [(c.notion, c.is_wanted) for c in criteria_in(text)] == [
        ("time_frame", True),
        ("hype", False),
    ]


def test_advice_does_not_repeat_what_the_instructions_state():
    text = advice(
        dspy.ChatAdapter(),
        label="fair",
        reason="No date, and it sounds like an advert.",
        instructions=f"{GENERAL} The answer must not use hype.",
    )
    assert [c.notion for c in criteria_in(text)] == ["time_frame"]


def test_without_a_comment_the_advice_is_a_guess_that_fits_the_label():
    text = JudgedText(answer=FLAWED)
    for number in range(20):
        (bad,) = advice_on(Lesson(text=text, value="poor"), [], dice=(number,))
        assert not bad.is_met(text)
        (good,) = advice_on(Lesson(text=text, value="excellent"), [], dice=(number,))
        assert good.is_met(text)


def labelled_cases(*, shuffled: bool) -> tuple[list[Lesson], list[Lesson]]:
    """The demo's answers with the experts' labels and no comments, one half to learn from and one to test on."""
    traces = [trace for trace in demo_world().traces if "answer" in trace.trace.outputs]
    values = [hidden_label(trace) for trace in traces]
    if shuffled:
        random.Random(5).shuffle(values)
    lessons = [
        Lesson(text=JudgedText(answer=trace.trace.outputs["answer"]), value=value)
        for trace, value in zip(traces, values, strict=True)
    ]
    return lessons[::2], lessons[1::2]


def agreement(criteria: list[Criterion], lessons: list[Lesson]) -> float:
    instructions = GENERAL + "\n" + "\n".join(criterion.sentence for criterion in criteria)
    judge = judge_of(instructions)
    right = 0
    for lesson in lessons:
        value, _ = answer_of(judge, Case(inputs="?", outputs=lesson.text.answer))
        right += int(value == lesson.value)
    return right / len(lessons)


def test_from_many_labels_alone_it_finds_criteria_that_hold_for_other_cases():
    learn, test = labelled_cases(shuffled=False)
    assert agreement(criteria_from(learn, []), test) > agreement([], test) + 0.3


def test_shuffled_labels_teach_nothing_that_helps_on_other_cases():
    learn, test = labelled_cases(shuffled=True)
    assert agreement(criteria_from(learn, []), test) <= agreement([], test) + 0.1


@pytest.mark.parametrize("adapter", [dspy.ChatAdapter(), dspy.JSONAdapter()], ids=["chat", "json"])
def test_gepas_new_instructions_keep_the_old_ones_and_add_what_the_feedback_names(adapter: Any):
    record = {
        "Inputs": {"inputs": "Where is it?", "outputs": "It comes soon."},
        "Generated Outputs": {"result": "good", "rationale": "It must be polite, without a link."},
        "Feedback": "The expert's verdict is poor, not good. The expert's reason: No date, no next step.",
    }
    fields = {"current_instruction": GENERAL, "examples_with_feedback": [record]}
    answer = respond({"messages": adapter.format(ProposeInstruction, [], fields)})
    proposed = adapter.parse(ProposeInstruction, answer)["new_instruction"]
    assert proposed.startswith(GENERAL)
    assert [c.notion for c in criteria_in(proposed)] == ["time_frame", "next_step"]


def test_guidelines_name_the_cases_they_come_from():
    cases = [
        {"trace_id": "a", "outputs": "It comes soon.", "label": "poor", "rationale": "No date."},
        {"trace_id": "b", "outputs": "It comes on Friday.", "label": "good", "rationale": ""},
    ]
    prompt = f"Distill a set of guidelines from these cases: {json.dumps(cases)}"
    answer = json.loads(respond({"messages": [{"role": "user", "content": prompt}]}))
    assert answer["guidelines"] == [
        {
            "guideline_text": Criterion(notion="time_frame").sentence,
            "source_trace_ids": ["a"],
        }
    ]


def test_it_needs_no_model_library():
    code = (
        "import sys, annotator.demo.model, annotator.demo.world\n"
        "print([name for name in ('litellm', 'dspy', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
