"""What the real client hears when it may not, or when something is not there; and that a traced program goes on."""

from typing import Any

import pytest

from annotator.models import Experiment, Scope, Trace, User
from annotator.services import tokens
from tests.clients.conftest import Door, create_token
from tests.clients.environments import NEWEST, Clients
from tests.factories import create_experiment, create_team, create_trace


@pytest.fixture
def trace(door: Door, team_experiment: Experiment) -> Trace:
    """A trace of the team's."""
    return create_trace(experiment=team_experiment, trace_id="tr-" + "1" * 32)


def codes(done: dict[str, Any]) -> dict[str, str | None]:
    return {name: error and error["code"] for name, error in done["errors"].items()}


def test_without_a_token_the_client_is_told_which_variable_to_set(
    clients: Clients, door: Door, trace: Trace
) -> None:
    client = clients.get(NEWEST)
    done = client.call(
        "refusals.everything",
        url=door.url,
        experiment=str(trace.experiment_id),
        trace_id=trace.trace_id,
        token="",
    )
    assert set(codes(done).values()) == {"UNAUTHENTICATED"}
    assert all("MLFLOW_TRACKING_TOKEN" in error["message"] for error in done["errors"].values())


@pytest.mark.parametrize("kind", ["wrong", "revoked"])
def test_a_token_that_opens_nothing_is_refused(
    kind: str, clients: Clients, door: Door, trace: Trace, developer: User
) -> None:
    token = "ann_" + "x" * 43
    if kind == "revoked":
        row, token = tokens.create_token(
            user=developer, team=trace.experiment.team, scopes=[Scope.READ]
        )
        tokens.revoke_token(actor=developer, token=row)
    done = clients.get(NEWEST).call(
        "refusals.everything",
        url=door.url,
        experiment=str(trace.experiment_id),
        trace_id=trace.trace_id,
        token=token,
    )
    assert set(codes(done).values()) == {"UNAUTHENTICATED"}


def test_a_token_for_reading_reads_and_writes_nothing(
    clients: Clients, door: Door, trace: Trace, developer: User
) -> None:
    token = create_token(user=developer, team=trace.experiment.team, scopes=(Scope.READ,))
    done = clients.get(NEWEST).call(
        "refusals.everything",
        url=door.url,
        experiment=str(trace.experiment_id),
        trace_id=trace.trace_id,
        token=token,
    )
    refused = "PERMISSION_DENIED"
    assert codes(done) == {
        "read": None,
        "search": None,
        "create": refused,
        "tag": refused,
        "feedback": refused,
    }
    assert done["trace"]


def test_another_team_s_experiments_and_traces_are_not_there(clients: Clients, door: Door) -> None:
    theirs = create_experiment(team=create_team(name="Sales"), name="Secret")
    trace = create_trace(experiment=theirs, trace_id="tr-" + "2" * 32, question="Secret question")
    done = door.call(
        clients.get(NEWEST),
        "refusals.everything",
        experiment=str(theirs.pk),
        trace_id=trace.trace_id,
    )
    missing = "RESOURCE_DOES_NOT_EXIST"
    assert codes(done) == {
        "read": missing,
        "search": None,
        "create": None,
        "tag": missing,
        "feedback": missing,
    }
    assert not done["trace"]
    assert door.call(clients.get(NEWEST), "sending.listed", experiment=str(theirs.pk)) == []
    assert not trace.assessments.exists()


def test_a_program_whose_traces_are_refused_goes_on_and_says_why(
    clients: Clients, door: Door
) -> None:
    client = clients.fresh(NEWEST)
    assert client.call("refusals.traced_program", url=door.url, token="") == "went on"
    assert "MLFLOW_TRACKING_TOKEN" in client.printed
    assert not Trace.objects.exists()


def test_name_and_password_do_as_well_as_a_token(
    clients: Clients, door: Door, team_experiment: Experiment
) -> None:
    client = clients.get(NEWEST)
    name = client.call(
        "refusals.with_password",
        url=door.url,
        user="token",
        password=door.token,
        experiment=str(team_experiment.pk),
    )
    assert name == team_experiment.name
