"""A judge tried on a few traces: results for the page, nothing on the traces."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from annotator.models import (
    ActivityLog,
    Assessment,
    Experiment,
    JudgeTrial,
    Team,
    Trace,
    User,
    WorkStatus,
)
from annotator.services.trials import MOST_TRACES, execute_trial, start_trial
from judges import make_judge
from judges.errors import InvalidJudgeError, ProviderAuthError
from judges.llm import register_local_provider
from tests.factories import create_experiment, create_trace

pytestmark = pytest.mark.django_db(transaction=True)

Answer = Callable[[str], str]


def verdict(result: object = "yes") -> str:
    """A well-formed answer of the model."""
    return json.dumps({"rationale": "Friendly.", "result": result})


@pytest.fixture
def says() -> Callable[[Answer], None]:
    """Sets what the model answers to a case."""

    def answer_by(answer: Answer) -> None:
        register_local_provider("tried", lambda body: answer(body["messages"][1]["content"]))

    answer_by(lambda case: verdict())
    return answer_by


@pytest.fixture
def experiment(team: Team) -> Experiment:
    return create_experiment(team=team)


def definition() -> dict[str, Any]:
    return make_judge(
        name="polite",
        instructions="Is {{ outputs }} polite?",
        model="tried:/model",
        feedback_value_type=bool,
    ).to_dict()


def tried(actor: User, traces: list[Trace]) -> JudgeTrial:
    trial = start_trial(
        actor=actor, judge=None, definition=definition(), traces=[trace.pk for trace in traces]
    )
    trial.refresh_from_db()
    return trial


def make_traces(experiment: Experiment, count: int) -> list[Trace]:
    return [
        create_trace(
            experiment=experiment, question=f"Question {number}?", answer=f"Answer {number}."
        )
        for number in range(count)
    ]


def test_results_come_in_the_order_of_the_traces_and_nothing_is_logged_on_them(
    experiment: Experiment, adam: User, team: Team, says
) -> None:
    says(lambda case: verdict("Answer 1." not in case))
    traces = make_traces(experiment, 3)
    trial = tried(adam, [traces[2], traces[0], traces[1]])
    assert trial.status == WorkStatus.SUCCEEDED, trial.error_text
    assert [result["trace_id"] for result in trial.results] == [
        traces[index].trace_id for index in (2, 0, 1)
    ]
    assert [result["value"] for result in trial.results] == [True, True, False]
    assert trial.results[0] == {
        "trace_id": traces[2].trace_id,
        "preview": "Question 2?",
        "value": True,
        "rationale": "Friendly.",
        "error": "",
    }
    assert not Assessment.objects.exists()
    row = ActivityLog.objects.get()
    assert (row.actor, row.action, row.team, row.target_name) == (adam, "tried", team, "polite")


def test_at_most_five_traces_are_tried_and_each_once(
    experiment: Experiment, adam: User, says
) -> None:
    traces = make_traces(experiment, MOST_TRACES + 2)
    trial = tried(adam, [traces[0], *traces])
    assert [result["trace_id"] for result in trial.results] == [
        trace.trace_id for trace in traces[:MOST_TRACES]
    ]


def test_an_answer_that_cannot_be_used_is_an_error_on_its_trace_alone(
    experiment: Experiment, adam: User, says
) -> None:
    says(lambda case: "Hm." if "Answer 1." in case else verdict())
    trial = tried(adam, make_traces(experiment, 3))
    assert trial.status == WorkStatus.SUCCEEDED
    assert [result["value"] for result in trial.results] == [True, None, True]
    assert "no usable verdict" in trial.results[1]["error"]


def test_a_provider_that_is_down_ends_the_trial_with_its_sentence(
    experiment: Experiment, adam: User, says
) -> None:
    def refuse(case: str) -> str:
        raise ProviderAuthError("There is no key for openai. Set OPENAI_API_KEY for the workers.")

    says(refuse)
    trial = tried(adam, make_traces(experiment, 2))
    assert (trial.status, trial.error_kind) == (WorkStatus.FAILED, "ProviderAuthError")
    assert "Set OPENAI_API_KEY" in trial.error_text
    assert len(trial.results) == 2


@pytest.mark.parametrize(
    "wrong", [{"instructions": "No placeholder."}, {"model": "nonsense"}, {"name": " polite"}]
)
def test_a_wrong_definition_is_refused_before_anything_is_tried(
    experiment: Experiment, adam: User, wrong: dict[str, Any]
) -> None:
    [trace] = make_traces(experiment, 1)
    with pytest.raises(InvalidJudgeError):
        start_trial(actor=adam, judge=None, definition={**definition(), **wrong}, traces=[trace.pk])
    assert not JudgeTrial.objects.exists()


def test_a_trace_that_is_gone_is_left_out(experiment: Experiment, adam: User, says) -> None:
    [trace] = make_traces(experiment, 1)
    trial = JudgeTrial.objects.create(
        definition=definition(), trace_pks=[trace.pk, trace.pk + 1], created_by=adam
    )
    execute_trial(trial.pk)
    trial.refresh_from_db()
    assert trial.status == WorkStatus.SUCCEEDED
    assert len(trial.results) == 1


def test_a_trial_is_done_once(experiment: Experiment, adam: User, says) -> None:
    trial = tried(adam, make_traces(experiment, 1))
    says(lambda case: verdict(False))
    execute_trial(trial.pk)
    trial.refresh_from_db()
    assert [result["value"] for result in trial.results] == [True]
    assert trial.attempt == 1
