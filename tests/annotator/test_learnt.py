"""What a version has learnt beside its instructions, and both versions beside the experts, on the pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from alignment.experts import beside_experts
from alignment.labels import Example, Side
from annotator.models import Judge, JudgeVersion, Team, User
from annotator.presenters.learnt import learnt
from annotator.presenters.run_figures import compared_figures, experts_view
from judges.calibration import Calibration
from judges.entities import Trace
from judges.memory import Guideline, Memory, MemoryExample
from tests.annotator.run_rows import finished_run
from tests.factories import create_experiment, create_judge

MEMORY = Memory(
    guidelines=(
        Guideline(text="State <b>a date</b>.", sources=tuple(f"tr-{n}" for n in range(8))),
    ),
    contradictions=("Two experts differ on dates.",),
    examples=tuple(
        MemoryExample(trace_id=f"tr-{n}", text=f"case {n}", value="good") for n in range(9)
    ),
    shown=2,
)
CALIBRATION = Calibration(grades=(("fair", "poor"), ("good", "good")))


@pytest.fixture
def judge(team: Team) -> Judge:
    return create_judge(experiment=create_experiment(team=team))


def _remember(version: JudgeVersion, memory: Memory = MEMORY) -> None:
    JudgeVersion.objects.filter(pk=version.pk).update(
        memory_data=memory.to_dict(), calibration_data=CALIBRATION.to_dict()
    )


@pytest.mark.django_db
def test_a_version_shows_its_guidelines_examples_contradictions_calibration_and_price(
    client: Client, judge: Judge, adam: User
) -> None:
    assert judge.current_version is not None
    _remember(judge.current_version)
    client.force_login(adam)
    address = reverse("judge-detail", args=[judge.pk]) + "?tab=versions&version=1"
    page = client.get(address).content.decode()
    assert "State &lt;b&gt;a date&lt;/b&gt;." in page
    assert "and 3 more" in page
    assert "Two experts differ on dates." in page
    assert "the 2 most similar of 9 cases" in page
    assert "“fair” counts as “poor”" in page
    assert "more tokens" in page


@pytest.mark.django_db
def test_a_run_shows_what_its_candidate_has_learnt(
    client: Client, judge: Judge, adam: User
) -> None:
    run = finished_run(judge)
    assert run.candidate is not None
    _remember(run.candidate)
    client.force_login(adam)
    page = client.get(reverse("run-detail", args=[run.pk])).content.decode()
    assert "Guidelines from the feedback" in page


@pytest.mark.django_db
def test_an_embedding_call_is_part_of_the_price(judge: Judge) -> None:
    version = judge.current_version
    assert version is not None
    embedded = Memory(examples=MEMORY.examples, shown=1, embedding_model="openai:/embedder")
    version.memory_data = embedded.to_dict()
    found = learnt(version)
    assert found is not None
    assert "by embeddings of openai:/embedder" in found.examples
    assert "one embedding call" in found.price


@pytest.mark.django_db
def test_a_version_of_instructions_alone_has_learnt_nothing_beside_them(judge: Judge) -> None:
    assert judge.current_version is not None
    assert learnt(judge.current_version) is None


def _example(number: int, votes: dict[str, Any]) -> Example:
    return Example(
        trace=Trace(trace_id=f"t{number}", inputs={"q": number}, outputs={}),
        value=True,
        side=Side.POSITIVE,
        verdict_value=True,
        group=f"g{number}",
        votes=votes,
    )


def test_the_run_page_sets_both_versions_beside_the_experts() -> None:
    tested = [_example(number, {"ann": True, "ben": number % 4 != 0}) for number in range(12)]
    before = {f"t{number}": number % 2 == 0 for number in range(12)}
    after = {f"t{number}": True for number in range(12)}
    found = experts_view({"experts": beside_experts(tested, tested, before, after).to_dict()})
    assert found is not None
    assert "Two experts agree with each other on 75 %" in found.sentence
    assert [name for name, _ in found.rows] == [
        "Two experts",
        "Old version and an expert",
        "New version and an expert",
    ]


def test_without_shared_traces_nothing_is_said_of_the_experts() -> None:
    tested = [_example(number, {"ann": True}) for number in range(12)]
    verdicts: dict[str, bool] = {f"t{number}": True for number in range(12)}
    figures = {"experts": beside_experts(tested, tested, verdicts, verdicts).to_dict()}
    assert experts_view(figures) is None
    assert experts_view({}) is None


def test_recall_of_each_side_stands_in_the_table() -> None:
    share = {"value": 0.5, "n": 10, "low": 0.3, "high": 0.7, "why": ""}
    details = {
        "accuracy": share,
        "side_recall": {"POSITIVE": share, "NEUTRAL": {"value": None, "n": 0}},
    }
    rows = compared_figures({"before": {"details": details}, "after": {"details": details}})
    names = [row.name for row in rows]
    assert "Recall of the positive side" in names
    assert "Recall of the neutral side" not in names
