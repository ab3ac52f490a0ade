"""Runs that programs record, as `mlflow.genai.evaluate` does."""

from __future__ import annotations

from typing import Any

import pytest

from annotator.models import Experiment, ProgramRun, User
from tests.annotator.programs import V2, V3, Program
from tests.factories import create_experiment, create_trace

pytestmark = pytest.mark.django_db

RUNS = f"{V2}/runs"


@pytest.fixture
def experiment(team) -> Experiment:
    return create_experiment(team=team)


@pytest.fixture
def program(lena: User) -> Program:
    return Program(lena)


def begin(program: Program, experiment: Experiment, **fields: Any) -> str:
    body = {"experiment_id": experiment.wire_id, "user_id": "root", "start_time": 5, **fields}
    run_id: str = program.ok("POST", f"{RUNS}/create", body)["run"]["info"]["run_id"]
    return run_id


def read(program: Program, run_id: str) -> dict[str, Any]:
    run: dict[str, Any] = program.ok("GET", f"{RUNS}/get", run_id=run_id, run_uuid=run_id)["run"]
    return run


def test_a_run_begins_is_filled_and_ends(program, experiment):
    run_id = begin(program, experiment, tags=[{"key": "t", "value": "v"}], run_name="first")
    program.ok(
        "POST",
        f"{RUNS}/log-batch",
        {
            "run_id": run_id,
            "metrics": [{"key": "m", "value": 0.5, "timestamp": "7", "step": 1}],
            "params": [{"key": "p", "value": "1"}],
            "tags": [{"key": "u", "value": "w"}],
        },
    )
    dataset = {"name": "d", "digest": "1", "source_type": "code", "source": "{}"}
    inputs = {"run_id": run_id, "datasets": [{"dataset": dataset}]}
    program.ok("POST", f"{RUNS}/log-inputs", inputs)
    program.ok("POST", f"{RUNS}/log-inputs", inputs)
    ended = {"run_id": run_id, "status": "FINISHED", "end_time": 9}
    assert program.ok("POST", f"{RUNS}/update", ended)["run_info"]["status"] == "FINISHED"
    wire_id = experiment.wire_id
    assert read(program, run_id) == {
        "info": {
            "run_id": run_id,
            "run_uuid": run_id,
            "experiment_id": wire_id,
            "run_name": "first",
            "user_id": "root",
            "status": "FINISHED",
            "start_time": 5,
            "end_time": 9,
            "artifact_uri": f"mlflow-artifacts:/{wire_id}/{run_id}/artifacts",
            "lifecycle_stage": "active",
        },
        "data": {
            "metrics": [{"key": "m", "value": 0.5, "timestamp": 7, "step": 1}],
            "params": [{"key": "p", "value": "1"}],
            "tags": [
                {"key": "t", "value": "v"},
                {"key": "mlflow.runName", "value": "first"},
                {"key": "u", "value": "w"},
            ],
        },
        "inputs": {"dataset_inputs": [{"tags": [], "dataset": dataset}]},
        "outputs": {},
    }


def test_the_latest_of_a_metric_is_kept_and_nan_is_a_number(program, experiment):
    run_id = begin(program, experiment)
    for value, step in ((1, 2), (2, 1), ("NaN", 3)):
        body = {"run_id": run_id, "key": "m", "value": value, "step": step}
        program.ok("POST", f"{RUNS}/log-metric", body)
    assert read(program, run_id)["data"]["metrics"][0]["value"] == "NaN"


def test_a_parameter_is_written_once(program, experiment):
    run_id = begin(program, experiment)
    body = {"run_id": run_id, "key": "p", "value": "1"}
    for _ in range(2):
        program.ok("POST", f"{RUNS}/log-parameter", body)
    refused = program.refused("POST", f"{RUNS}/log-parameter", {**body, "value": "2"})
    assert refused == (400, "INVALID_PARAMETER_VALUE")


def test_tags_are_put_and_taken_off(program, experiment):
    run_id = begin(program, experiment)
    tag = {"run_id": run_id, "key": "mlflow.runName", "value": "new"}
    program.ok("POST", f"{RUNS}/set-tag", tag)
    assert read(program, run_id)["info"]["run_name"] == "new"
    program.ok("POST", f"{RUNS}/delete-tag", tag)
    assert program.refused("POST", f"{RUNS}/delete-tag", tag)[0] == 404


def test_linked_traces_are_found_by_the_run(program, experiment):
    run_id = begin(program, experiment)
    linked, _ = create_trace(experiment=experiment), create_trace(experiment=experiment)
    body: dict[str, Any] = {"trace_ids": [linked.trace_id], "run_id": run_id}
    for _ in range(2):
        assert program.ok("POST", f"{V2}/traces/link-to-run", body) == {}
    location = [{"mlflow_experiment": {"experiment_id": experiment.wire_id}}]
    wanted = {"locations": location, "filter": f"attribute.run_id = '{run_id}'"}
    answer = program.ok("POST", f"{V3}/traces/search", wanted)
    assert [trace["trace_id"] for trace in answer["traces"]] == [linked.trace_id]
    body["trace_ids"].append("tr-none")
    assert program.refused("POST", f"{V2}/traces/link-to-run", body)[0] == 404


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("update", {"status": "DONE"}),
        ("update", {"status": True}),
        ("update", {"end_time": -1}),
        ("log-metric", {"key": "m", "value": "much"}),
        ("log-metric", {"key": "m", "value": True}),
        ("log-metric", {"key": "", "value": 1}),
        ("log-batch", {"metrics": [{"key": "m"}]}),
        ("log-batch", {"tags": {"a": "b"}}),
        ("log-inputs", {"datasets": [{}]}),
        ("set-tag", {"value": "v"}),
    ],
)
def test_a_wrong_field_is_refused(program, experiment, path, changed):
    body = {"run_id": begin(program, experiment), **changed}
    assert program.refused("POST", f"{RUNS}/{path}", body) == (400, "INVALID_PARAMETER_VALUE")


def test_another_teams_run_is_not_there(program, experiment, olga):
    run_id = begin(program, experiment)
    hers = Program(olga)
    assert hers.refused("GET", f"{RUNS}/get", run_id=run_id)[0] == 404
    assert hers.refused("POST", f"{RUNS}/update", {"run_id": run_id})[0] == 404
    assert hers.refused("POST", f"{RUNS}/create", {"experiment_id": experiment.wire_id})[0] == 404
    assert ProgramRun.objects.count() == 1
