"""R12 to R14: a judge with a memory, where the best-known system's answers itself or changes behind one's back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from alignment import plugins
from alignment.events import RunContext, use_run
from alignment.memory import MemoryAlignmentOptimizer
from alignment.metric import Metric
from annotator.demo.http_stub import StubServer
from annotator.models import AlignmentRun, JudgeVersion, Team, User
from annotator.services import runs
from judges.instructions import Case, InstructionsJudge
from judges.llm import Gateway
from tests.alignment.support_desk import desk_examples, traces_of
from tests.annotator.tagged_world import create_tagged_judge, label_traces
from tests.factories import create_experiment, create_feedback


@pytest.fixture
def remembering(judge: InstructionsJudge) -> InstructionsJudge:
    """The judge with a memory of 20 labelled answers."""
    context = RunContext(gateway=Gateway(), metric=Metric(value_type=judge.value_type))
    with use_run(context):
        aligned = MemoryAlignmentOptimizer().align(judge, traces_of(desk_examples(20)))
    assert aligned.memory is not None
    assert len(aligned.memory.examples) == 20
    return aligned


def test_r12_the_case_under_judgement_is_never_shown_to_its_judge_with_its_answer(
    stub: StubServer, remembering: InstructionsJudge
) -> None:
    stub.reset()
    for example in desk_examples(20):
        remembering(trace=example.trace)
    for body, example in zip(stub.bodies, desk_examples(20), strict=True):
        system, case = (message["content"] for message in body["messages"])
        assert "Example 1" in system
        assert case not in system, "the same case, as it is shown"
        assert json.dumps(example.trace.inputs["question"]) not in system


def test_r12_nor_a_copy_of_it_under_another_id(
    stub: StubServer, remembering: InstructionsJudge
) -> None:
    stub.reset()
    example = desk_examples(1)[0]
    remembering(trace=replace(example.trace, trace_id="copy"))
    system, case = (message["content"] for message in stub.bodies[0]["messages"])
    assert "Example 1" in system
    assert case not in system


@pytest.fixture
def _optimizers() -> Iterator[None]:
    with plugins.override_optimizers({"memory": plugins.BUILTIN["memory"]}):
        yield


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_optimizers")
def test_r13_a_label_that_is_edited_later_does_not_change_the_version(
    stub: StubServer, team: Team, alice: User, adam: User
) -> None:
    version = version_with_a_memory(stub, team, alice, adam)
    before = version.to_domain()
    trace = version.judge.experiment.traces.earliest("pk")
    create_feedback(judge=version.judge, trace=trace, author=alice, value="poor")
    trace.delete()
    version.refresh_from_db()
    assert version.to_domain() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_optimizers")
def test_r14_a_version_that_is_loaded_again_remembers_exactly_the_same(
    stub: StubServer, team: Team, alice: User, adam: User
) -> None:
    version = version_with_a_memory(stub, team, alice, adam)
    memory = version.to_domain().memory
    assert memory is not None
    assert len(memory.examples) == len({example.trace_id for example in memory.examples})
    loaded = JudgeVersion.objects.get(pk=version.pk).to_domain()
    assert loaded.memory == memory
    again = InstructionsJudge.from_dict(json.loads(json.dumps(loaded.to_dict())))
    assert again == loaded
    case = Case.from_trace(desk_examples(1)[0].trace, loaded)
    stub.reset()
    loaded.evaluate(case, gateway=Gateway())
    again.evaluate(case, gateway=Gateway())
    assert stub.bodies[0] == stub.bodies[1]


def version_with_a_memory(stub: StubServer, team: Team, alice: User, adam: User) -> JudgeVersion:
    """The candidate of a run with the memory optimizer, on 44 labels, every second against its verdict."""
    judge = create_tagged_judge(
        experiment=create_experiment(team=team),
        model="openai:/stub",
        base_url=stub.base_url,
        optimizer="memory",
    )
    label_traces(judge=judge, author=alice, count=44)

    def knows_the_tags(body: dict[str, object]) -> str:
        messages = body["messages"]
        assert isinstance(messages, list)
        if "distill a set of guidelines" in messages[0]["content"]:
            guideline = {"guideline_text": "Read the tag.", "source_trace_ids": []}
            return json.dumps({"guidelines": [guideline]})
        tag = "poor" if "[poor]" in messages[-1]["content"] else "good"
        value = tag if "Read the tag." in messages[0]["content"] else "good"
        return json.dumps({"rationale": f"I read {tag}.", "result": value})

    stub.respond = knows_the_tags
    run = runs.start_run(actor=adam, judge=judge)
    run.refresh_from_db()
    assert run.outcome == AlignmentRun.Outcome.PROMOTE, run.error_text or run.outcome_reason
    assert run.candidate is not None
    assert run.candidate.memory is not None
    return run.candidate


def test_similar_cases_are_found_by_an_embedding_model_at_one_more_call_a_verdict(
    stub: StubServer, judge: InstructionsJudge
) -> None:
    context = RunContext(gateway=Gateway(), metric=Metric(value_type=judge.value_type))
    optimizer = MemoryAlignmentOptimizer(embedding_model="openai:/embed")
    with use_run(context):
        aligned = optimizer.align(judge, traces_of(desk_examples(20)))
    assert isinstance(aligned, InstructionsJudge)
    assert aligned.memory is not None
    assert all(example.vector for example in aligned.memory.examples)
    assert context.gateway.usage.calls <= optimizer.estimate(20)
    stub.reset()
    gateway = Gateway()
    example = desk_examples(1)[0]
    aligned.evaluate(Case.from_trace(example.trace, aligned), gateway=gateway)
    assert (gateway.usage.calls, stub.embeddings) == (2, 1)
    system, case = (message["content"] for message in stub.bodies[-1]["messages"])
    assert "Example 3" in system
    assert case not in system
