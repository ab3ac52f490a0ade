"""What MLflow's judges and optimizers send, as they send it, and two answers compared: the demo model reads both."""

from __future__ import annotations

import json
from typing import Any

import pytest

from annotator.demo.mlflow_prompts import fields_in, records_in, task_in
from annotator.demo.model import respond

FRAME = (
    "You are an expert judge tasked with evaluating the performance of an AI\nagent on a particular query.\n\n"
    "Your task: {task}.\n\nYou *must* format your evaluation rating as a JSON object with the following fields "
    "(no markdown). Pay close attention to the field type.\n\n- result (bool): The rating\n- rationale (str): Why"
)
RULE = "The answer must state a concrete time frame, such as a date or a number of days."
TASK = "Is {{ outputs }} a good answer to {{ inputs }}?"
CHOICE = {"enum": ["response_1", "response_2", "tie"], "type": "string"}


def ask(system: str, user: str, result: dict[str, Any] | None = None) -> Any:
    properties = {"result": result or {"type": "boolean"}, "rationale": {"type": "string"}}
    schema = {"type": "object", "properties": properties}
    answer = respond(
        {
            "messages": [
                {"role": "system", "content": system},
                {"role": "user", "content": user},
            ],
            "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
        }
    )
    return json.loads(answer)["result"]


def case(answer: Any) -> str:
    inputs, outputs = {"question": "Where is it?"}, {"answer": answer}
    return f"inputs: {json.dumps(inputs, indent=2)}\noutputs: {json.dumps(outputs, indent=2)}"


@pytest.mark.parametrize(
    ("answer", "verdict"), [("It is there in 3 days.", True), ("Soon.", False)]
)
def test_mlflows_judge_is_answered_by_the_criteria_of_its_task(answer: str, verdict: bool) -> None:
    assert ask(FRAME.format(task=f"{TASK} {RULE}"), case(answer)) is verdict


def test_the_case_in_mlflows_message_is_its_fields() -> None:
    assert fields_in(case("Yes.")) == {
        "inputs": {"question": "Where is it?"},
        "outputs": {"answer": "Yes."},
    }
    assert fields_in("Nothing of the kind: outputs: {}") == {}


def test_examples_of_other_cases_in_mlflows_message_are_no_criteria() -> None:
    shown = (
        "Here are some examples of good assessments:\n\nExample 1:\ninputs: x\noutputs: y\nresult: True\n"
        f"rationale: It must apologise.\n\n{TASK}\n\nExample Judgements (1):\nTry to align.\n"
        f"  Example 1: {{'rationale': 'It must greet.'}}\n\n\nDistilled Guidelines (1):\nAlways consider.\n  - {RULE}"
    )
    task = task_in(FRAME.format(task=shown))
    assert task is not None
    assert task.startswith(TASK)
    assert RULE in task
    assert "apologise" not in task
    assert "greet" not in task


def test_memaligns_examples_are_read_though_their_quotes_are_not_escaped() -> None:
    prompt = (
        'examples:\n\n{\n  "id": 0,\n  \n  "inputs": "{"question": "Where is it?"}",\n  \n'
        '  "outputs": "{"answer": "Soon, \\"maybe\\"."}",\n  \n  "result": "false",\n  \n'
        '  "rationale": "No date is given.",\n  \n}\n\n{\n  "id": 1,\n  \n  "result": "true",\n  \n}\n'
    )
    first, second = records_in(prompt)
    assert first == {
        "id": 0,
        "inputs": {"question": "Where is it?"},
        "outputs": {"answer": 'Soon, "maybe".'},
        "result": False,
        "rationale": "No date is given.",
    }
    assert second == {"id": 1, "result": True}


def test_guidelines_for_memalign_name_the_examples_they_come_from() -> None:
    records = "\n".join(
        f'{{\n  "id": {number},\n  \n  "outputs": "{{"answer": "{text}"}}",\n  \n  "result": "{value}",\n  \n}}\n'
        for number, (text, value) in enumerate(
            [("It is there in 3 days.", "true"), ("We looked at it.", "false")] * 6
        )
    )
    prompt = f"your task is to distill a set of guidelines from the judgements\n{records}"
    guidelines = json.loads(respond({"messages": [{"role": "user", "content": prompt}]}))[
        "guidelines"
    ]
    assert [each["guideline_text"] for each in guidelines] == [RULE]
    assert set(guidelines[0]["source_trace_ids"]) <= {str(number) for number in range(1, 12, 2)}


def test_gepas_score_of_a_yes_or_no_tells_what_the_person_said() -> None:
    records = [
        {
            "Inputs": {"outputs": {"answer": text}},
            "Generated Outputs": {"result": "True", "rationale": "So it seems."},
            "Feedback": f"This trajectory got a score of {score}.",
        }
        for text, score in [("It is there in 3 days.", "True"), ("We looked at it.", "False")] * 6
    ]
    user = f"[[ ## current_instruction ## ]]\n{TASK}\n\n[[ ## examples_with_feedback ## ]]\n{json.dumps(records)}"
    answer = respond(
        {
            "messages": [
                {"role": "system", "content": "Outputs will be a JSON object"},
                {"role": "user", "content": user},
            ]
        }
    )
    assert RULE in json.loads(answer)["new_instruction"]


PAIR = json.dumps(
    {"response_1": "We looked at it, and it is on its way.", "response_2": "It is there in 3 days."}
)


def test_of_two_answers_the_one_that_meets_the_criteria_wins() -> None:
    system = f"Instructions:\nSay which response is better. {RULE}"
    user = "<inputs>\nWhere is it?\n</inputs>\n\n<outputs>\n{}\n</outputs>"
    assert ask(system, user.format(PAIR), CHOICE) == "response_2"
    both = json.dumps({"response_1": "In 2 days.", "response_2": "In 3 days."})
    assert ask(system, user.format(both), CHOICE) == "tie"
    assert ask("Instructions:\nSay which is better.", user.format(both), CHOICE) in {
        "response_1",
        "response_2",
    }


def test_what_people_prefer_teaches_what_the_better_answers_have() -> None:
    late, dated = json.loads(PAIR).values()
    examples = [
        {"outputs": {"response_1": late, "response_2": dated}, "value": "response_2", "id": 1},
        {"outputs": {"response_1": dated, "response_2": late}, "value": "response_1", "id": 2},
    ]
    prompt = f"Please distill a list of guidelines from these:\n{json.dumps(examples * 4)}"
    guidelines = json.loads(respond({"messages": [{"role": "user", "content": prompt}]}))
    assert [each["guideline_text"] for each in guidelines["guidelines"]] == [RULE]
