"""A judge whose model does as a test says, its traces, and jobs over them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from annotator.models import (
    Experiment,
    Judge,
    JudgeJob,
    JudgeShard,
    JudgeVersion,
    Team,
    User,
)
from judges.llm import register_local_provider
from judges.values import ValueKind, ValueType
from tests.factories import create_experiment, create_judge, create_trace

GOOD_OR_POOR = ValueType(kind=ValueKind.CATEGORY, categories=("good", "poor"), ordered=True)
SENTENCE = "openai refused the key for any (401). Set OPENAI_API_KEY for the workers."


def verdict(value: object = "good") -> str:
    """A well-formed answer of the model."""
    return json.dumps({"rationale": "It answers.", "result": value})


class Model:
    """The model behind the judges here: answers by `answer`, which gets the case's text, and counts."""

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.answer: Callable[[str], str] = lambda case: verdict()

    def __call__(self, body: dict[str, Any]) -> str:
        case = body["messages"][1]["content"]
        self.prompts.append(case)
        return self.answer(case)


@pytest.fixture
def model() -> Model:
    model = Model()
    register_local_provider("scripted", model)
    return model


@pytest.fixture
def experiment(team: Team) -> Experiment:
    return create_experiment(team=team)


@pytest.fixture
def judge(experiment: Experiment, model: Model) -> Judge:
    return create_judge(
        experiment=experiment,
        value_type=GOOD_OR_POOR,
        model="scripted:/model",
        alignment_policy="MANUAL",
    )


def in_use(judge: Judge) -> JudgeVersion:
    """The judge's current version."""
    assert judge.current_version is not None
    return judge.current_version


def make_traces(experiment: Experiment, count: int) -> list[int]:
    """Traces whose answers are numbered."""
    return [
        create_trace(experiment=experiment, answer=f"Answer {number}.").pk
        for number in range(count)
    ]


def queued_job(judge: Judge, traces: list[int], actor: User | None = None) -> JudgeJob:
    """A job whose messages were lost, so that it waits."""
    job = JudgeJob.objects.create(version=in_use(judge), total=len(traces), created_by=actor)
    for start in range(0, len(traces), 10):
        JudgeShard.objects.create(job=job, trace_pks=traces[start : start + 10])
    return job


def statuses(job: JudgeJob) -> Counter[str]:
    return Counter(job.shards.values_list("status", flat=True))
