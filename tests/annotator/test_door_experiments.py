"""Experiments over the wire: made, found, renamed, tagged, deleted and restored."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from annotator.models import Experiment, Team, Trace, User
from annotator.services import experiments as service
from tests.annotator.programs import V2, Program
from tests.factories import create_experiment, create_judge, create_trace

pytestmark = pytest.mark.django_db

BASE = f"{V2}/experiments"


@pytest.fixture
def program(lena: User) -> Program:
    return Program(lena)


def make(program: Program, name: str, **fields: Any) -> str:
    wire_id: str = program.ok("POST", f"{BASE}/create", {"name": name, **fields})["experiment_id"]
    return wire_id


def get(program: Program, wire_id: str) -> dict[str, Any]:
    found: dict[str, Any] = program.ok("GET", f"{BASE}/get", experiment_id=wire_id)["experiment"]
    return found


def found(program: Program, **fields: Any) -> list[str]:
    answer = program.ok("POST", f"{BASE}/search", fields)
    return [each["name"] for each in answer["experiments"]]


def test_an_experiment_is_what_it_was_made(program, team):
    wire_id = make(program, "shop", tags=[{"key": "team", "value": "a"}])
    experiment = Experiment.objects.get(name="shop")
    assert (experiment.team, experiment.wire_id) == (team, wire_id)
    data = get(program, wire_id)
    assert data["creation_time"] == data["last_update_time"] > 1_700_000_000_000
    assert data == {
        "experiment_id": wire_id,
        "name": "shop",
        "artifact_location": f"mlflow-artifacts:/{wire_id}",
        "lifecycle_stage": "active",
        "creation_time": data["creation_time"],
        "last_update_time": data["last_update_time"],
        "tags": [{"key": "team", "value": "a"}],
    }
    by_name = program.ok("GET", f"{BASE}/get-by-name", experiment_name="shop")
    assert by_name["experiment"] == data


def test_a_taken_name_is_told_even_when_its_holder_is_deleted(program):
    wire_id = make(program, "shop")
    taken = (400, "RESOURCE_ALREADY_EXISTS")
    assert program.refused("POST", f"{BASE}/create", {"name": "shop"}) == taken
    program.ok("POST", f"{BASE}/delete", {"experiment_id": wire_id})
    assert program.refused("POST", f"{BASE}/create", {"name": "shop"}) == taken
    other = make(program, "other")
    body = {"experiment_id": other, "new_name": "shop"}
    assert program.refused("POST", f"{BASE}/update", body) == taken


@pytest.mark.parametrize("name", [None, "", "   ", "a\nb", "x" * 251, 5, ["a"]])
def test_a_name_that_cannot_be_is_refused(program, name):
    refused = program.refused("POST", f"{BASE}/create", {"name": name})
    assert refused == (400, "INVALID_PARAMETER_VALUE")


def test_the_default_experiment_is_0_and_made_on_demand_in_each_team(program, olga):
    assert get(program, "0")["name"] == "Default"
    by_name = program.ok("GET", f"{BASE}/get-by-name", experiment_name="Default")
    assert by_name["experiment"]["experiment_id"] == "0"
    assert get(Program(olga), "0")["name"] == "Default"
    assert Experiment.objects.filter(is_default=True).count() == 2


def test_an_experiment_that_is_called_default_becomes_it(program, team):
    create_experiment(team=team, name="Default")
    assert get(program, "0")["name"] == "Default"
    assert Experiment.objects.count() == 1


def test_a_deleted_experiment_leaves_the_pages_and_loses_nothing(program, team, lena, client):
    wire_id = make(program, "shop")
    experiment = Experiment.objects.get(name="shop")
    trace = create_trace(experiment=experiment)
    judge = create_judge(experiment=experiment)
    client.force_login(lena)
    addresses = [
        reverse("trace-detail", args=[trace.trace_id]),
        reverse("judge-detail", args=[judge.pk]),
    ]
    assert [client.get(address).status_code for address in addresses] == [200, 200]
    assert program.ok("POST", f"{BASE}/delete", {"experiment_id": wire_id}) == {}
    assert [client.get(address).status_code for address in addresses] == [404, 404]
    assert "shop" not in client.get(reverse("trace-list")).content.decode()
    assert get(program, wire_id)["lifecycle_stage"] == "deleted"
    assert found(program) == ["Default"]
    assert found(program, view_type="DELETED_ONLY") == ["shop"]
    assert sorted(found(program, view_type="ALL")) == ["Default", "shop"]
    tag = {"experiment_id": wire_id, "key": "k", "value": "v"}
    refused = program.refused("POST", f"{BASE}/set-experiment-tag", tag)
    assert refused == (400, "INVALID_PARAMETER_VALUE")
    assert program.ok("POST", f"{BASE}/restore", {"experiment_id": wire_id}) == {}
    assert [client.get(address).status_code for address in addresses] == [200, 200]
    assert Trace.objects.filter(experiment=experiment).count() == 1


def test_an_experts_token_does_not_delete_or_rename(program, alice):
    wire_id = make(program, "shop")
    hers, denied = Program(alice), (403, "PERMISSION_DENIED")
    body = {"experiment_id": wire_id, "new_name": "mine"}
    for name in ("delete", "restore", "update"):
        assert hers.refused("POST", f"{BASE}/{name}", body) == denied


def test_tags_are_put_replaced_and_taken_off(program):
    wire_id = make(program, "shop")
    tag = {"experiment_id": wire_id, "key": "k", "value": "v"}
    assert program.ok("POST", f"{BASE}/set-experiment-tag", tag) == {}
    program.ok("POST", f"{BASE}/set-experiment-tag", {**tag, "value": "w"})
    assert get(program, wire_id)["tags"] == [{"key": "k", "value": "w"}]
    assert program.ok("POST", f"{BASE}/delete-experiment-tag", tag) == {}
    assert get(program, wire_id)["tags"] == []
    gone = (404, "RESOURCE_DOES_NOT_EXIST")
    assert program.refused("POST", f"{BASE}/delete-experiment-tag", tag) == gone


def test_a_renamed_experiment_keeps_its_id(program):
    wire_id = make(program, "shop")
    program.ok("POST", f"{BASE}/update", {"experiment_id": wire_id, "new_name": "store"})
    assert get(program, wire_id)["name"] == "store"


@pytest.mark.parametrize("wire_id", ["99999", "x", "-1", "1.0", "9" * 30, "٣"])
def test_an_unknown_id_is_404(program, wire_id):
    gone = (404, "RESOURCE_DOES_NOT_EXIST")
    assert program.refused("GET", f"{BASE}/get", experiment_id=wire_id) == gone
    assert program.refused("POST", f"{BASE}/delete", {"experiment_id": wire_id}) == gone


def test_another_teams_experiments_are_not_there(program, olga):
    wire_id = make(program, "shop")
    hers, gone = Program(olga), (404, "RESOURCE_DOES_NOT_EXIST")
    assert hers.refused("GET", f"{BASE}/get", experiment_id=wire_id) == gone
    assert hers.refused("GET", f"{BASE}/get-by-name", experiment_name="shop") == gone
    assert found(hers) == ["Default"]
    assert make(hers, "shop") != wire_id


FILTERS = [
    ("name = 'alpha'", ["alpha"]),
    ("name != 'alpha'", ["Beta", "Default"]),
    ("attribute.name LIKE '%a'", ["Beta", "alpha"]),
    ("name LIKE 'b%'", []),
    ("name ILIKE 'b%'", ["Beta"]),
    ("experiment_id = '0'", ["Default"]),
    ("experiment_id != '0'", ["Beta", "alpha"]),
    ("tags.k = 'v'", ["alpha"]),
    ("tags.`k` LIKE '_'", ["alpha"]),
    ("tags.k IS NULL", ["Beta", "Default"]),
    ("tags.k IS NOT NULL AND name = 'Beta'", []),
    ("creation_time > 0", ["Beta", "Default", "alpha"]),
    ("creation_time < 1000", []),
    ("last_update_time >= 1e300", []),
    ("creation_time != -5", ["Beta", "Default", "alpha"]),
]


def test_each_filter_finds_what_it_says(program):
    make(program, "alpha", tags=[{"key": "k", "value": "v"}])
    make(program, "Beta")
    answers = {text: sorted(found(program, filter=text)) for text, _ in FILTERS}
    assert answers == dict(FILTERS)


@pytest.mark.parametrize(
    "changed",
    [
        {"filter": "status = 'OK'"},
        {"filter": "name > 'a'"},
        {"filter": "name = 'a' OR name = 'b'"},
        {"filter": "name = 'a' AND"},
        {"filter": "creation_time = 'x'"},
        {"filter": "run.name = 'x'"},
        {"order_by": ["tags.k"]},
        {"order_by": ["name UP"]},
        {"view_type": "SOME"},
        {"view_type": ["ALL"]},
        {"max_results": 0},
        {"page_token": "abc"},
    ],
)
def test_a_wrong_search_is_refused(program, changed):
    refused = program.refused("POST", f"{BASE}/search", changed)
    assert refused == (400, "INVALID_PARAMETER_VALUE")


def test_pages_follow_each_other_and_the_last_has_no_token(program):
    for name in "abc":
        make(program, name)
    seen: list[str] = []
    token = ""
    while True:
        body = {"max_results": 2, "order_by": ["name ASC"], "page_token": token}
        page = program.ok("POST", f"{BASE}/search", body)
        seen += [each["name"] for each in page["experiments"]]
        token = page.get("next_page_token", "")
        if not token:
            break
    assert seen == ["Default", "a", "b", "c"]


def test_the_newest_experiment_comes_first(program):
    found(program)  # makes the default one
    for name in "ab":
        make(program, name)
    assert found(program) == ["b", "a", "Default"]


def test_two_that_make_the_same_at_once_get_one_and_an_error(team: Team, lena: User):
    service.create_experiment(actor=lena, team=team, name="shop")
    with pytest.raises(service.NameTakenError, match="already exists"):
        service.create_experiment(actor=lena, team=team, name="shop")
    assert Experiment.objects.count() == 1
