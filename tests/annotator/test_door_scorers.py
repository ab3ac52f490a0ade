"""Judges over the wire: registered by a client, made here, served with versions; and those that cannot run here."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.urls import reverse

from annotator.ingest.scorer_codec import schema_of, value_type_of
from annotator.models import Experiment, Judge, Scope, User
from annotator.services import jobs, runs
from annotator.services.judges import edit_judge, promote, roll_back
from judges.errors import InvalidJudgeError
from judges.instructions import make_judge
from judges.values import ValueKind, ValueType
from tests.annotator.programs import V3, Program, feedback
from tests.factories import create_experiment, create_judge, create_trace

pytestmark = pytest.mark.django_db

REGISTER, GET, VERSIONS, LIST = (
    f"{V3}/scorers/{name}" for name in ("register", "get", "versions", "list")
)


@pytest.fixture
def experiment(team) -> Experiment:
    return create_experiment(team=team)


@pytest.fixture
def program(adam: User) -> Program:
    return Program(adam)


def serialized(**changed: Any) -> str:
    data = {
        "instructions": "Grade {{ outputs }}.",
        "model": "openai:/gpt-4o-mini",
        "feedback_value_type": {"enum": ["yes", "no"], "title": "Result", "type": "string"},
    }
    scorer = {
        "name": "quality",
        "description": "Good or not",
        "mlflow_version": "3.18.0",
        "serialization_version": 1,
        "instructions_judge_pydantic_data": data,
        "memory_augmented_judge_data": None,
        "call_source": None,
    }
    return json.dumps(scorer | changed, indent=1)


MEMORY = serialized(
    instructions_judge_pydantic_data=None,
    memory_augmented_judge_data={
        "base_judge": json.loads(serialized()),
        "episodic_trace_ids": ["tr-1"],
        "semantic_memory": [{"guideline_text": "Be kind.", "source_trace_ids": []}],
    },
)


def register(
    program: Program, experiment: Experiment, text: str, name: str = "quality"
) -> dict[str, Any]:
    body = {"experiment_id": experiment.wire_id, "name": name, "serialized_scorer": text}
    answer: dict[str, Any] = program.ok("POST", REGISTER, body)
    return answer


def fetch(program: Program, experiment: Experiment, **query: Any) -> dict[str, Any]:
    where = {"experiment_id": experiment.wire_id, "name": "quality", **query}
    answer: dict[str, Any] = program.ok("GET", GET, **where)["scorer"]
    return answer


def numbers(program: Program, experiment: Experiment, name: str = "quality") -> list[int]:
    where = {"experiment_id": experiment.wire_id, "name": name}
    return [each["scorer_version"] for each in program.ok("GET", VERSIONS, **where)["scorers"]]


def test_a_registered_judge_becomes_a_judge_with_a_version(program, experiment, adam):
    answer = register(program, experiment, serialized())
    assert (answer["version"], answer["experiment_id"]) == (1, experiment.wire_id)
    judge = Judge.objects.get(name="quality")
    version = judge.current_version
    assert version is not None
    assert (version.origin, version.created_by, version.not_runnable) == ("CLIENT", adam, "")
    domain = version.to_domain()
    assert (domain.instructions, domain.model) == ("Grade {{ outputs }}.", "openai:/gpt-4o-mini")
    assert domain.value_type.categories == ("yes", "no")
    assert judge.description == "Good or not"


def test_it_is_served_to_the_letter_by_every_route(program, experiment):
    answer = register(program, experiment, serialized())
    scorer = fetch(program, experiment)
    assert scorer == {
        "experiment_id": experiment.pk,
        "scorer_name": "quality",
        "scorer_version": 1,
        "serialized_scorer": serialized(),
        "creation_time": answer["creation_time"],
        "scorer_id": answer["scorer_id"],
    }
    where = {"experiment_id": experiment.wire_id}
    assert program.ok("GET", LIST, **where)["scorers"] == [scorer]
    assert program.ok("GET", VERSIONS, name="quality", **where)["scorers"] == [scorer]


def test_registering_again_makes_the_next_version_and_puts_it_in_use(program, experiment):
    first = register(program, experiment, serialized())
    second = register(program, experiment, serialized())
    assert (second["version"], second["scorer_id"]) == (2, first["scorer_id"])
    assert numbers(program, experiment) == [1, 2]
    assert fetch(program, experiment)["scorer_version"] == 2
    assert fetch(program, experiment, version=1)["scorer_version"] == 1
    current = Judge.objects.get().current_version
    assert current is not None
    assert current.number == 2


def test_feedback_that_was_there_before_labels_the_new_judge(program, experiment):
    trace = create_trace(experiment=experiment)
    body = {"assessment": feedback(value="yes")}
    program.ok("POST", f"{V3}/traces/{trace.trace_id}/assessments", body)
    register(program, experiment, serialized())
    assert [label.value for label in Judge.objects.get().labels.all()] == ["yes"]


NOT_RUNNABLE = [
    (MEMORY, "with a memory"),
    (serialized(instructions_judge_pydantic_data=None, builtin_scorer_class="Safety"), "comes with MLflow"),
    (serialized(instructions_judge_pydantic_data=None, third_party_scorer_data={"m": 1}), "another library"),
    (serialized(instructions_judge_pydantic_data=None, ensemble_scorer_data={"m": 1}), "several scorers"),
    (serialized(instructions_judge_pydantic_data=None), "not known here"),
    (serialized(is_session_level_scorer=True), "whole sessions"),
    (
        serialized(
            instructions_judge_pydantic_data={
                "instructions": "{{ outputs }}",
                "model": "openai:/x",
                "feedback_value_type": {"type": "object", "additionalProperties": {"type": "number"}},
            }
        ),
        "lists or objects",
    ),
    (serialized(instructions_judge_pydantic_data={"instructions": "{{ outputs }}"}), "model"),
    (serialized(instructions_judge_pydantic_data={"instructions": 5, "model": []}), "cannot be understood"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "why"), NOT_RUNNABLE)
def test_what_cannot_run_here_is_kept_to_the_letter_and_says_why(
    program, experiment, adam, client, text, why
):
    register(program, experiment, text)
    assert fetch(program, experiment)["serialized_scorer"] == text
    judge = Judge.objects.get()
    version = judge.current_version
    assert version is not None
    assert why in version.not_runnable
    with pytest.raises(InvalidJudgeError, match=why):
        version.to_domain()
    trace = create_trace(experiment=experiment)
    with pytest.raises(jobs.JobError, match=why):
        jobs.start_job(actor=adam, version=version, traces=[trace.pk])
    with pytest.raises(runs.RunError):
        runs.start_run(actor=adam, judge=judge)
    assert runs.start_run_if_due(judge.pk) is None
    client.force_login(adam)
    page = client.get(f"{reverse('judge-detail', args=[judge.pk])}?tab=versions")
    assert why in page.content.decode()
    for name in ("judge-detail", "judge-run", "run-start", "judge-edit", "judge-settings"):
        assert client.get(reverse(name, args=[judge.pk])).status_code == 200


def test_what_cannot_run_does_not_take_the_place_of_what_can_but_programs_get_it(
    program, experiment
):
    register(program, experiment, serialized())
    register(program, experiment, MEMORY)
    current = Judge.objects.get().current_version
    assert current is not None
    assert current.number == 1
    assert fetch(program, experiment)["serialized_scorer"] == MEMORY


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        "5",
        '"x"',
        serialized(call_source="return 1"),
    ],
)
def test_what_is_no_scorer_is_refused(program, experiment, text):
    body = {"experiment_id": experiment.wire_id, "name": "quality", "serialized_scorer": text}
    assert program.refused("POST", REGISTER, body) == (400, "INVALID_PARAMETER_VALUE")
    assert not Judge.objects.exists()


def test_a_scorer_nested_without_end_is_refused(program, experiment):
    text = '{"a":' * 300 + "1" + "}" * 300
    body = {"experiment_id": experiment.wire_id, "name": "quality", "serialized_scorer": text}
    assert program.refused("POST", REGISTER, body) == (413, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("name", ["", " quality", "a\nb", "x" * 251])
def test_a_name_that_no_judge_can_bear_is_refused(program, experiment, name):
    body = {"experiment_id": experiment.wire_id, "name": name, "serialized_scorer": serialized()}
    assert program.refused("POST", REGISTER, body) == (400, "INVALID_PARAMETER_VALUE")


def test_what_is_not_there_is_404(program, experiment, olga):
    gone = (404, "RESOURCE_DOES_NOT_EXIST")
    where = {"experiment_id": experiment.wire_id, "name": "none"}
    assert program.refused("GET", GET, **where) == gone
    assert program.refused("GET", VERSIONS, **where) == gone
    assert program.refused("DELETE", f"{V3}/scorers/delete", where) == gone
    register(program, experiment, serialized())
    where["name"] = "quality"
    assert program.refused("GET", GET, **where, version=9) == gone
    assert Program(olga).refused("GET", GET, **where) == gone
    body = {"experiment_id": "99999", "name": "x", "serialized_scorer": serialized()}
    assert program.refused("POST", REGISTER, body) == gone
    assert program.ok("GET", LIST, experiment_id="0") == {}


def test_deleted_versions_are_gone_for_programs_and_kept_for_people(program, experiment):
    for _ in range(3):
        register(program, experiment, serialized())
    delete = {"experiment_id": experiment.wire_id, "name": "quality"}
    assert program.ok("DELETE", f"{V3}/scorers/delete", {**delete, "version": 2}) == {}
    assert numbers(program, experiment) == [1, 3]
    assert program.ok("DELETE", f"{V3}/scorers/delete", delete) == {}
    assert program.refused("GET", GET, **delete)[0] == 404
    assert Judge.objects.get().versions.count() == 3
    again = register(program, experiment, serialized())
    assert (again["version"], numbers(program, experiment)) == (1, [1])


def test_a_judge_made_here_is_served_with_what_it_has_learnt(program, experiment, adam):
    judge = create_judge(experiment=experiment)
    version = judge.current_version
    assert version is not None
    example = {"inputs": {"q": "{{ why }}"}, "outputs": "so", "expectations": None}
    version.demonstrations = [{**example, "value": "good", "rationale": "Clear."}]
    version.save()
    scorer = json.loads(fetch(program, experiment)["serialized_scorer"])
    assert (scorer["name"], scorer["serialization_version"]) == ("quality", 1)
    data = scorer["instructions_judge_pydantic_data"]
    assert data["feedback_value_type"]["enum"] == ["excellent", "good", "fair", "poor"]
    assert data["model"] == "demo:/judge"
    assert data["instructions"].startswith(version.instructions)
    assert "result: good" in data["instructions"]
    assert "{{ why }}" not in data["instructions"]


def test_rolling_back_reaches_programs(program, experiment, adam):
    judge = create_judge(experiment=experiment)
    edit_judge(
        actor=adam,
        judge=judge,
        instructions="Better: {{ outputs }}",
        value_type=judge.value_type,
        model="demo:/judge",
    )
    assert fetch(program, experiment)["scorer_version"] == 2
    roll_back(actor=adam, judge=judge)
    assert fetch(program, experiment)["scorer_version"] == 1
    promote(actor=adam, judge=judge, version=judge.versions.get(number=2))
    assert fetch(program, experiment)["scorer_version"] == 2


def test_a_scorer_judges_a_share_of_the_new_traces_until_it_is_stopped(program, experiment):
    answer = register(program, experiment, serialized())
    ids = [answer["scorer_id"], "other"]
    assert program.ok("GET", f"{V3}/scorers/online-configs", scorer_ids=ids) == {"configs": []}
    body = {"experiment_id": experiment.wire_id, "name": "quality", "sample_rate": 0.25}
    config = program.ok(
        "PUT", f"{V3}/scorers/online-config", {**body, "filter_string": "status = 'OK'"}
    )["config"]
    assert config["scorer_id"] == answer["scorer_id"]
    assert (config["sample_rate"], config["filter_string"]) == (0.25, "status = 'OK'")
    assert config["experiment_id"] == experiment.wire_id
    assert program.ok("GET", f"{V3}/scorers/online-configs", scorer_ids=ids) == {
        "configs": [config]
    }
    stopped = program.ok("PUT", f"{V3}/scorers/online-config", {**body, "sample_rate": 0})
    assert stopped["config"]["sample_rate"] == 0
    assert "filter_string" not in stopped["config"]


@pytest.mark.parametrize(
    "change",
    [
        {"sample_rate": None},
        {"sample_rate": "half"},
        {"sample_rate": 1.5},
        {"sample_rate": True},
        {"filter_string": "status LIKE"},
        {"filter_string": 3},
    ],
)
def test_a_share_or_filter_that_cannot_be_is_refused(program, experiment, change):
    register(program, experiment, serialized())
    body = {"experiment_id": experiment.wire_id, "name": "quality", "sample_rate": 0.25}
    refused = program.refused("PUT", f"{V3}/scorers/online-config", {**body, **change})
    assert refused == (400, "INVALID_PARAMETER_VALUE")


def test_an_unknown_scorer_cannot_judge_new_traces(program, experiment):
    body = {"experiment_id": experiment.wire_id, "name": "none", "sample_rate": 0.25}
    refused = program.refused("PUT", f"{V3}/scorers/online-config", body)
    assert refused == (404, "RESOURCE_DOES_NOT_EXIST")


def test_registering_needs_the_scope_that_only_an_admins_token_has(experiment, lena, adam):
    body = {"experiment_id": experiment.wire_id, "name": "x", "serialized_scorer": serialized()}
    denied = (403, "PERMISSION_DENIED")
    assert Program(lena).refused("POST", REGISTER, body) == denied
    reader = Program(adam, scopes=[Scope.READ])
    assert reader.refused("POST", REGISTER, body) == denied
    assert reader.refused("DELETE", f"{V3}/scorers/delete", body) == denied
    assert reader.refused("PUT", f"{V3}/scorers/online-config", body) == denied


@pytest.mark.parametrize(
    "value_type",
    [
        ValueType(kind=ValueKind.BOOLEAN),
        ValueType(kind=ValueKind.INTEGER),
        ValueType(kind=ValueKind.NUMBER),
        ValueType(kind=ValueKind.TEXT),
        ValueType(kind=ValueKind.CATEGORY, categories=("a", "b"), ordered=True),
        ValueType(kind=ValueKind.CATEGORY, categories=(1, 2, "x"), ordered=True),
    ],
)
def test_a_value_type_survives_its_schema(value_type):
    assert value_type_of(schema_of(value_type)) == value_type


def test_an_optional_type_is_the_type_and_true_or_false_is_yes_or_no():
    optional = {"anyOf": [{"type": "number"}, {"type": "null"}]}
    assert value_type_of(optional).kind is ValueKind.NUMBER
    assert value_type_of({"enum": [True, False]}).kind is ValueKind.BOOLEAN
    made = make_judge(name="x", instructions="{{ outputs }}", model="openai:/x")
    assert value_type_of(None) == made.value_type
