"""The words in traces: found on SQLite and PostgreSQL alike, whatever people type."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client

from annotator.models import Experiment, Team, User
from tests.factories import create_experiment, create_trace

LIST = "/traces/"


@pytest.fixture
def experiment(team: Team) -> Experiment:
    return create_experiment(team=team, name="support")


def ids(client: Client, query: str) -> list[str]:
    """The trace ids on a page, in their order."""
    return [row.trace.trace_id for row in client.get(f"{LIST}?{query}").context["rows"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("refund", True),
        ("REFUND voucher", True),
        ("voucher refund", True),
        ("refund jacket", False),
        ("tr-café", True),
        ("Öre", True),
        ('"', False),
        ("a AND", False),
        ("search_text:refund", False),
        ("refund)", True),
        ("NEAR(refund", False),
        ("*", False),
        ("' OR 1=1 --", False),
        ("ref*", False),
        ("-refund", True),
    ],
)
def test_the_search_takes_anything_people_type(
    client: Client, alice: User, experiment: Experiment, query: str, found: bool
) -> None:
    trace = create_trace(
        experiment=experiment, trace_id="tr-café", question="A refund for my voucher", answer="Öre"
    )
    client.force_login(alice)
    response = client.get(LIST, {"q": query})
    assert response.status_code == 200
    assert [row.trace for row in response.context["rows"]] == ([trace] if found else [])


def test_the_search_follows_changes_and_deletions(
    client: Client, alice: User, experiment: Experiment
) -> None:
    trace = create_trace(experiment=experiment, question="lantern")
    client.force_login(alice)
    trace.search_text = "umbrella"
    trace.save(update_fields=["search_text"])
    assert ids(client, "q=lantern") == []
    assert ids(client, "q=umbrella") == [trace.trace_id]
    trace.delete()
    assert ids(client, "q=umbrella") == []


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has no triggers for it")
def test_the_triggers_of_the_search_outlive_all_migrations(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
        names = [name for (name,) in cursor.fetchall()]
    assert names == [f"annotator_trace_search_{event}" for event in ("delete", "insert", "update")]
