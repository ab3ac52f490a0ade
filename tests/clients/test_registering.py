"""Judges between the real clients and the browser: registered there, made here, and back."""

import pytest
from django.test import Client as Browser

from annotator.demo.http_stub import StubServer
from annotator.models import Experiment, Judge, NewTraces, User
from judges.values import ValueKind, ValueType
from tests.clients.conftest import Door, asked_of
from tests.clients.environments import NEWEST, Clients
from tests.clients.pages import page_of
from tests.factories import create_judge


# mlflow-skinny and mlflow-tracing cannot make a judge: that needs packages which they leave out
@pytest.mark.parametrize("name", ["mlflow-3.5", "mlflow-3.10", NEWEST])
def test_judges_are_registered_in_versions_listed_fetched_and_deleted(
    name: str, clients: Clients, door: Door
) -> None:
    done = door.call(clients.get(name), "registry.life", experiment="Judges")
    assert done["empty"] == 0
    assert done["latest"]["name"] == done["first"]["name"] == "answer_quality"
    assert done["latest"]["instructions"].endswith("Version 3.")
    assert done["first"]["instructions"].endswith("Version 1.")
    assert done["latest"]["model"] == "openai:/gpt-4.1-mini"
    assert done["listed"] == ["a_flag", "a_number", "a_text", "a_whole", "answer_quality"]
    if name != "mlflow-3.5":  # whose judges know no types yet
        assert "excellent" in done["latest"]["type"]
        assert done["types"] == {
            "flag": "<class 'bool'>",
            "number": "<class 'float'>",
            "whole": "<class 'int'>",
            "text": "<class 'str'>",
        }
    assert done["versions"] == [1, 2, 3]
    assert done["versions_left"] == [1, 3]
    assert done["unknown"] == "RESOURCE_DOES_NOT_EXIST"
    assert done["again"] == [1]


def test_a_judge_that_a_client_registers_is_one_of_ours_with_versions(
    clients: Clients, door: Door, adam: User, client: Browser
) -> None:
    client.force_login(adam)
    for version in (1, 2):
        experiment = door.call(
            clients.get(NEWEST),
            "registry.register",
            experiment="Shop",
            name="tone",
            version=version,
        )
    judge = Judge.objects.get(experiment=experiment, name="tone")
    assert judge.current_version is not None
    assert judge.current_version.model == "openai:/gpt-4.1-mini"
    assert judge.current_version.value_type.categories == ("excellent", "good", "fair", "poor")
    assert "tone" in page_of(client, "/judges/")
    page = page_of(client, f"/judges/{judge.pk}/")
    assert "right for {{ inputs }}? Version 2." in page
    assert [version.number for version in judge.versions.order_by("number")] == [1, 2]


def test_a_judge_made_in_the_browser_is_fetched_and_called_by_the_client(
    clients: Clients, door: Door, model: StubServer, team_experiment: Experiment
) -> None:
    create_judge(
        experiment=team_experiment,
        name="politeness",
        instructions="Is the answer in {{ outputs }} polite? Question: {{ inputs }}",
        value_type=ValueType(kind=ValueKind.BOOLEAN),
        model="openai:/gpt-4.1-mini",
    )
    done = door.call(
        clients.get(NEWEST, **asked_of(model)),
        "registry.fetch_and_call",
        experiment=str(team_experiment.pk),
        name="politeness",
        inputs={"question": "Where is my parcel?"},
        outputs={"answer": "It arrives on Friday, sorry for the wait."},
    )
    assert done["judge"] == {
        "name": "politeness",
        "instructions": "Is the answer in {{ outputs }} polite? Question: {{ inputs }}",
        "model": "openai:/gpt-4.1-mini",
        "type": "<class 'bool'>",
    }
    assert done["error"] == "None"
    assert done["value"] in {True, False}
    asked = model.bodies[-1]
    assert asked["model"] == "gpt-4.1-mini"
    assert "sorry for the wait" in str(asked["messages"])


def test_a_client_starts_and_stops_a_judge_on_what_comes(clients: Clients, door: Door) -> None:
    done = door.call(clients.get(NEWEST), "registry.judge_what_comes", experiment="Shop")
    assert done["started"] == done["fetched"] == [0.5, "status = 'OK'"]
    assert done["stopped"] == 0
    judge = Judge.objects.get(experiment=done["experiment"], name="tone")
    assert NewTraces.objects.get(judge=judge).share == 0
