"""make_judge, and verdicts that come over HTTP through LiteLLM."""

from dataclasses import replace
from typing import Any, Literal

import pytest

from annotator.demo.http_stub import StubAnswer, StubServer
from judges import (
    AssessmentSource,
    Case,
    Demonstration,
    Gateway,
    InstructionsJudge,
    SourceType,
    Trace,
    ValueType,
    make_judge,
    use_gateway,
)
from judges.errors import InvalidJudgeError, InvalidTraceError, MalformedAnswerError
from judges.instructions import DEFAULT_MODEL
from judges.values import ValueKind
from tests.judges.conftest import answer

GRADE = ValueType.from_annotation(Literal["good", "bad"])


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"name": ""}, "needs a name"),
        ({"name": 7}, "needs a name"),
        ({"name": " polite"}, "write “polite”"),
        ({"instructions": " "}, "needs instructions"),
        ({"instructions": None}, "needs instructions"),
        ({"instructions": "Is it good?"}, "use at least one of {{ inputs }}"),
        ({"instructions": "Is {{ answer }} good?"}, "{{ answer }}, which no case has; use only"),
        ({"instructions": "{{ outputs }} {{ inputs.q }}"}, "{{ inputs.q }}"),
        (
            {"instructions": "{{ conversation }} {{ outputs }}"},
            "cannot stand together with {{ outputs }}",
        ),
        ({"model": "gpt-4"}, "write provider:/model"),
        ({"model": "openai:gpt-4"}, "write provider:/model"),
        ({"model": "openai:/"}, "write provider:/model"),
        ({"model": ""}, "write provider:/model"),
        ({"model": 4}, "must be a text"),
        ({"base_url": "localhost:8000"}, "begins with http"),
        ({"base_url": 8000}, "begins with http"),
        ({"extra_headers": {"X-Team": 1}}, "dict of texts"),
        ({"inference_params": [0.5]}, "must be a dict"),
        ({"inference_params": {"api_key": "x"}}, "“api_key” cannot be an inference parameter"),
        ({"feedback_value_type": dict}, "is not supported"),
        ({"feedback_value_type": Literal["good"]}, "at least two"),
    ],
)
def test_a_wrong_definition_is_refused_with_the_remedy(wrong: dict[str, Any], remedy: str) -> None:
    right = {"name": "polite", "instructions": "Is {{ outputs }} polite?"}
    with pytest.raises(InvalidJudgeError) as error:
        make_judge(**{**right, **wrong})
    assert remedy in str(error.value)


@pytest.mark.parametrize(
    "instructions",
    [
        "{{inputs}}",
        "{{ outputs }} like {{ expectations }}",
        "{{ trace }} {{ inputs }}",
        "{{ conversation }} {{ expectations }}",
        '{{ outputs }} is {"a": {"b": 1}}',
    ],
)
def test_every_allowed_combination_of_variables_is_taken(instructions: str) -> None:
    assert make_judge("polite", instructions).variables


@pytest.mark.parametrize("model", ["openai:/gpt-4", "openai/gpt-4", "openrouter/meta/llama:free"])
def test_both_forms_of_model_addresses_are_taken(model: str) -> None:
    assert make_judge("polite", "{{ outputs }}", model=model).model == model


def test_the_model_comes_from_the_environment_when_none_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ANNOTATOR_DEFAULT_MODEL", raising=False)
    assert make_judge("polite", "{{ outputs }}").model == DEFAULT_MODEL
    monkeypatch.setenv("ANNOTATOR_DEFAULT_MODEL", "ollama:/llama3")
    assert make_judge("polite", "{{ outputs }}").model == "ollama:/llama3"


def test_a_judge_survives_its_json_form() -> None:
    judge = make_judge(
        "stars",
        "{{ outputs }} {{ expectations }}",
        model="ollama:/llama3",
        description="How good.",
        feedback_value_type=ValueType(kind=ValueKind.INTEGER, minimum=1, maximum=5),
        inference_params={"temperature": 0},
        base_url="http://127.0.0.1:11434",
        extra_headers={"X-Team": "a"},
        generate_rationale_first=False,
    )
    judge = replace(judge, demonstrations=(Demonstration(outputs="x", value=4, rationale="Fine."),))
    assert InstructionsJudge.from_dict(judge.to_dict()) == judge


def test_a_verdict_has_its_type_reason_source_tokens_and_cost(judge: InstructionsJudge) -> None:
    feedback = judge(inputs="Where is it?", outputs="On its way.")
    assert feedback.name == "polite"
    assert feedback.value is True
    assert feedback.rationale == "Because."
    assert feedback.source == AssessmentSource(
        source_type=SourceType.LLM_JUDGE, source_id="openai:/gpt-4.1-mini"
    )
    assert feedback.usage.calls == 1
    assert feedback.usage.input_tokens > 50
    assert feedback.usage.output_tokens > 5
    assert feedback.usage.cost is not None
    assert feedback.usage.cost > 0


def test_the_request_holds_prompt_schema_parameters_and_headers(
    judge: InstructionsJudge, stub: StubServer
) -> None:
    judge = replace(judge, inference_params={"temperature": 0.2}, extra_headers={"X-Team": "a"})
    judge.evaluate(Case(inputs="q", outputs="a"), nonce=7)
    judge.evaluate(Case(inputs="q", outputs="a"), temperature=1.0)
    first, second = stub.bodies
    assert [message["role"] for message in first["messages"]] == ["system", "user"]
    assert first["response_format"]["json_schema"]["strict"] is True
    assert (first["temperature"], first["seed"]) == (0.2, 7)
    assert second["temperature"] == 1.0
    assert "seed" not in second
    assert stub.headers[0]["x-team"] == "a"


def test_a_trace_gives_the_fields_and_what_is_given_beside_it_stands_above(
    judge: InstructionsJudge, stub: StubServer
) -> None:
    trace = Trace(trace_id="t", inputs="from the trace", outputs="from the trace too")
    judge(trace=trace)
    judge(trace=trace, outputs="given")
    first, second = (body["messages"][1]["content"] for body in stub.bodies)
    assert "from the trace too" in first
    assert "given" in second
    assert "from the trace too" not in second


def test_a_missing_field_is_refused_before_any_call(
    judge: InstructionsJudge, stub: StubServer
) -> None:
    with pytest.raises(InvalidTraceError, match="needs outputs"):
        judge(inputs="Where is it?")
    assert stub.calls == 0


def test_a_whole_number_written_as_4_0_is_4(judge: InstructionsJudge, stub: StubServer) -> None:
    stub.respond = lambda body: answer(4.0)
    value = replace(judge, value_type=ValueType.from_annotation(int))(inputs="q", outputs="a").value
    assert value == 4
    assert isinstance(value, int)


def test_a_malformed_answer_is_asked_again_and_its_tokens_count(
    judge: InstructionsJudge, stub: StubServer
) -> None:
    stub.answer_with(StubAnswer(text="I think it is nice."), StubAnswer(text=answer("maybe")))
    feedback = judge(inputs="q", outputs="a")
    assert feedback.value is True
    assert stub.calls == feedback.usage.calls == 3
    first_try, *_, bad_answer, complaint = stub.bodies[1]["messages"]
    assert first_try == stub.bodies[0]["messages"][0]
    assert bad_answer == {"role": "assistant", "content": "I think it is nice."}
    assert "not a JSON object" in complaint["content"]
    assert "Answer format:" in complaint["content"]
    assert "'maybe' is not true or false" in stub.bodies[2]["messages"][-1]["content"]
    assert len(stub.bodies[2]["messages"]) == 4


def test_a_category_outside_the_declared_ones_is_asked_again_and_never_accepted(
    judge: InstructionsJudge, stub: StubServer
) -> None:
    stub.respond = lambda body: answer("superb")
    gateway = Gateway()
    with pytest.raises(MalformedAnswerError, match="also when asked again") as error:
        replace(judge, value_type=GRADE).evaluate(Case(inputs="q", outputs="a"), gateway=gateway)
    assert "'superb' is not one of: good, bad" in str(error.value)
    assert error.value.answer == answer("superb")
    assert stub.calls == gateway.usage.calls == 3
    assert gateway.usage.output_tokens > 0


def test_an_answer_cut_off_says_what_to_raise(judge: InstructionsJudge, stub: StubServer) -> None:
    stub.always = StubAnswer(text='{"rationale": "It is', finish_reason="length")
    with pytest.raises(MalformedAnswerError, match="raise max_tokens"):
        judge(inputs="q", outputs="a")


@pytest.mark.parametrize(
    ("refused", "taken"),
    [
        ({"json_schema"}, {"type": "json_object"}),
        ({"json_schema", "json_object"}, None),
    ],
)
def test_a_model_without_structured_output_is_asked_by_prompt_and_remembered(
    judge: InstructionsJudge, stub: StubServer, refused: set[str], taken: dict[str, str] | None
) -> None:
    stub.rejects = frozenset(refused)
    assert judge(inputs="q", outputs="a").value is True
    assert stub.calls == 1 + len(refused)
    assert stub.bodies[-1].get("response_format") == taken
    assert judge(inputs="q", outputs="b").value is True
    assert stub.calls == 2 + len(refused)


def test_the_current_gateway_is_used(judge: InstructionsJudge) -> None:
    with use_gateway(Gateway()) as gateway:
        judge(inputs="q", outputs="a")
    assert gateway.usage.calls == 1
