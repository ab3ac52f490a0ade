"""R11, R17 to R19: what a judge is shown, and what becomes of its answers, where the best-known system goes wrong."""

from __future__ import annotations

import json
from typing import Literal

import pytest

from annotator.demo.http_stub import StubAnswer, StubServer
from annotator.models import Team
from judges import InstructionsJudge, make_judge
from judges.entities import (
    AssessmentSource,
    Expectation,
    Feedback,
    SourceType,
    Span,
    Trace,
)
from judges.errors import MalformedAnswerError
from judges.instructions import Case
from judges.render import render
from tests.alignment.support_desk import desk_examples, traces_of
from tests.factories import create_experiment, create_judge

GOOD = StubAnswer(text=json.dumps({"rationale": "So it is.", "result": "good"}))


def test_r11_a_judge_of_whole_traces_never_reads_what_people_said_of_one(stub: StubServer) -> None:
    secret = "SECRET-OPINION"
    ann = AssessmentSource(source_type=SourceType.HUMAN, source_id=f"ann-{secret}")
    trace = Trace(
        trace_id="t",
        inputs="?",
        outputs="!",
        spans=(Span(span_id="a", name="root", start_ns=0, end_ns=1, inputs="?", outputs="!"),),
        assessments=(
            Feedback(name="j", value=True, rationale=secret, source=ann),
            Expectation(name="wanted", value=secret, source=ann),
        ),
    )
    judge = make_judge("j", "Read {{ trace }}.", "openai:/stub", None, bool, base_url=stub.base_url)
    judge(trace=trace)
    assert stub.calls == 1
    assert secret not in json.dumps(stub.bodies[0])


def test_r11_a_case_cannot_carry_assessments_at_all() -> None:
    trace = traces_of(desk_examples(1))[0]
    assert trace.assessments
    case = Case(trace=trace)
    assert case.trace is not None
    assert case.trace.assessments == ()


def test_r17_base_url_and_headers_survive_saving_and_secrets_are_kept_by_name(
    stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROXY_KEY", "s3cr3t")
    judge = make_judge(
        "j",
        "Is {{ outputs }} good?",
        "openai:/stub",
        None,
        bool,
        base_url=stub.base_url,
        extra_headers={"X-Proxy-Key": "env:PROXY_KEY"},
    )
    saved = json.dumps(judge.to_dict())
    assert "s3cr3t" not in saved
    loaded = InstructionsJudge.from_dict(json.loads(saved))
    assert loaded == judge
    loaded(outputs="!")
    assert stub.headers[0]["x-proxy-key"] == "s3cr3t"


@pytest.mark.django_db
def test_r17_a_version_in_the_database_keeps_them_too(team: Team) -> None:
    judge = create_judge(
        experiment=create_experiment(team=team),
        base_url="http://models.example/v1",
        extra_headers={"X-Proxy-Key": "env:PROXY_KEY"},
    )
    judge.refresh_from_db()
    assert judge.current_version is not None
    loaded = judge.current_version.to_domain()
    assert loaded.base_url == "http://models.example/v1"
    assert loaded.extra_headers == {"X-Proxy-Key": "env:PROXY_KEY"}


def test_r18_a_category_outside_the_type_is_asked_again_and_then_an_error(
    stub: StubServer,
) -> None:
    stub.rejects = frozenset({"json_schema", "json_object"})  # the fallback to plain text
    judge = make_judge(
        "j",
        "Is {{ outputs }} good?",
        "openai:/stub",
        None,
        Literal["good", "poor"],
        base_url=stub.base_url,
    )
    stub.respond = lambda body: json.dumps({"rationale": "Hm.", "result": "splendid"})
    with pytest.raises(MalformedAnswerError, match="good, poor"):
        judge(outputs="!")
    assert stub.calls == 2 + 3, "two formats refused, then one question and two more tries"


def test_r18_the_second_answer_counts_when_it_is_one_of_the_values(stub: StubServer) -> None:
    judge = make_judge(
        "j",
        "Is {{ outputs }} good?",
        "openai:/stub",
        None,
        Literal["good", "poor"],
        base_url=stub.base_url,
    )
    stub.answer_with(StubAnswer(text='{"rationale": "Hm.", "result": "splendid"}'), GOOD)
    assert judge(outputs="!").value == "good"
    assert stub.calls == 2


def test_r19_an_answer_that_is_no_json_is_asked_again(
    stub: StubServer, judge: InstructionsJudge
) -> None:
    stub.answer_with(
        StubAnswer(text="I would say it is fine."),
        StubAnswer(text=json.dumps({"rationale": "It is.", "result": True})),
    )
    feedback = judge(inputs="?", outputs="!")
    assert feedback.value is True
    assert feedback.usage.calls == stub.calls == 2
    assert "cannot be used" in stub.bodies[1]["messages"][-1]["content"]


def test_r11_the_prompt_of_a_labelled_trace_is_that_of_the_bare_one(
    judge: InstructionsJudge,
) -> None:
    labelled = traces_of(desk_examples(1))[0]
    bare = labelled.without_assessments()
    assert render(judge, Case.from_trace(labelled, judge)) == render(
        judge, Case.from_trace(bare, judge)
    )
