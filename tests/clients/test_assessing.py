"""Feedback and expectations through the real clients: what is kept, what counts, and what the browser adds."""

from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from annotator.models import Experiment, Judge, Label, Trace, User
from tests.clients.conftest import Door
from tests.clients.environments import NEWEST, Client, Clients
from tests.clients.pages import page_of
from tests.factories import create_judge

ANN, MODEL = ["HUMAN", "ann@example.com"], ["LLM_JUDGE", "openai:/gpt-4.1-mini"]
# Numbers travel as doubles.
EXPECTED = {
    "words": ("good", "str", ANN),
    "yes": (True, "bool", ANN),
    "no": (False, "bool", ANN),
    "whole": (3.0, "float", ANN),
    "half": (0.5, "float", ANN),
    "nothing": ("", "str", ANN),
    "list": (["a", 1.0, None], "list", ANN),
    "object": ({"a": {"b": [1.0, 2.0]}}, "dict", ANN),
    "letters": ("Größe ✓", "str", ANN),
    "quality": ("poor", "str", MODEL),
    "length": (17.0, "float", ["CODE", "checks.py"]),
    "default_source": (1.0, "float", ["CODE", "default"]),
    "broken": (None, "NoneType", MODEL),
    "capital": ("Paris", "str", ANN),
    "facts": ({"all": [1, "two"]}, "dict", ANN),
}


def test_every_kind_reads_back_as_it_was_logged_and_is_shown(
    mlflow_client: Client, door: Door, lena: User, client: Browser
) -> None:
    done = door.call(mlflow_client, "assessing.every_kind", experiment="Assessed")
    found = {row["name"]: (row["value"], row["type"], row["source"]) for row in done["assessments"]}
    assert found == EXPECTED
    assert [row["name"] for row in done["assessments"]] == list(EXPECTED)
    rows = {row["name"]: row for row in done["assessments"]}
    assert rows["quality"]["rationale"] == "It names no day."
    assert rows["quality"]["metadata"] == {"tokens": "71"}
    assert rows["quality"]["span"] == done["span"]
    assert rows["broken"]["error"] == ["TIMEOUT", "no answer in 60 s"]
    assert {rows[name]["kind"] for name in ("capital", "facts")} == {"Expectation"}
    assert all(row["created"] == row["updated"] > 1_700_000_000_000 for row in done["assessments"])

    client.force_login(lena)
    page = page_of(client, f"/trace/{done['trace']}")
    texts = ["capital", "Paris", "It names no day.", "checks.py", "openai:/gpt-4.1-mini", "Größe ✓"]
    assert [text for text in texts if text not in page] == []


def test_updates_overrides_and_deletions_leave_what_they_should(
    mlflow_client: Client, door: Door
) -> None:
    done = door.call(mlflow_client, "assessing.changed", experiment="Changed")

    def states(step: str) -> list[tuple[Any, ...]]:
        return [(row["value"], row["rationale"], row["valid"]) for row in done["steps"][step]]

    assert states("logged") == [("poor", None, True)]
    assert states("updated") == [("good", "On reflection", True)]
    assert states("overridden") == [("good", "On reflection", False), ("fair", "In between", True)]
    assert states("override_deleted") == [("good", "On reflection", True)]
    first, second = done["steps"]["overridden"]
    assert second["overrides"] == first["id"]
    assert first["metadata"] == {"a": "1", "b": "3"}
    logged, updated = done["steps"]["logged"][0], done["steps"]["updated"][0]
    assert updated["created"] == logged["created"]
    assert updated["updated"] > logged["updated"]
    assert first["updated"] == updated["updated"]
    assert [row["value"] for row in done["steps"]["expectation"]] == ["good", "Paris"]
    assert [row["value"] for row in done["steps"]["deleted"]] == ["Paris"]
    assert done["one"]["value"] == "good"
    assert done["unknown"] == done["unknown_trace"] == "RESOURCE_DOES_NOT_EXIST"


def test_feedback_logged_inside_the_span_travels_with_the_trace(
    mlflow_client: Client, door: Door
) -> None:
    rows = door.call(mlflow_client, "assessing.inside_the_span", experiment="Inside")
    assert [(row["name"], row["value"], row["source"]) for row in rows] == [
        ("quality", "good", ["CODE", "checks"])
    ]


@pytest.fixture
def trace(clients: Clients, door: Door) -> Trace:
    """A trace that a client sent."""
    sent = door.call(clients.get(NEWEST), "sending.many", experiment="Support", count=1)
    return Trace.objects.get(trace_id=sent["ids"][0])


@pytest.fixture
def judge(trace: Trace, adam: User) -> Judge:
    """A judge made in the browser for that trace's experiment."""
    experiment: Experiment = trace.experiment
    return create_judge(experiment=experiment, name="quality", actor=adam)


def test_only_what_people_say_teaches(
    clients: Clients, door: Door, trace: Trace, judge: Judge, client: Browser, lena: User
) -> None:
    def log(value: str, *source: str) -> None:
        door.call(
            clients.get(NEWEST),
            "assessing.log",
            trace_id=trace.trace_id,
            name="quality",
            value=value,
            source=source,
            rationale=f"{source[1]} says so.",
        )

    def labels() -> list[Any]:
        return list(Label.objects.filter(judge=judge, trace=trace).values_list("value", flat=True))

    log("poor", "CODE", "checks.py")
    log("good", "LLM_JUDGE", "openai:/gpt-4.1-mini")
    assert labels() == []
    log("fair", "HUMAN", "ben@example.com")
    assert labels() == ["fair"]
    client.force_login(lena)
    page = page_of(client, f"/trace/{trace.trace_id}")
    assert "ben@example.com says so." in page
    assert "openai:/gpt-4.1-mini says so." in page
    listed = client.get(f"/traces/?verdict={judge.pk}:good").content.decode()
    assert trace.trace_id in listed


def test_feedback_given_in_the_browser_is_read_by_the_client(
    mlflow_client: Client, door: Door, trace: Trace, judge: Judge, client: Browser, alice: User
) -> None:
    client.force_login(alice)
    answer = {"judge": judge.pk, "action": "answer", "value": "poor", "rationale": "Names no day."}
    address = reverse("trace-detail", args=[trace.trace_id])
    assert client.post(address, answer).status_code == 302
    found = door.call(mlflow_client, "sending.listed", experiment=str(trace.experiment_id))
    (row,) = found[0]["assessments"]
    assert (row["name"], row["value"], row["rationale"]) == ("quality", "poor", "Names no day.")
    assert row["source"] == ["HUMAN", "alice"]
    assert row["valid"] is True

    assert client.post(address, {**answer, "value": "good"}).status_code == 302
    (trace_now,) = door.call(mlflow_client, "sending.listed", experiment=str(trace.experiment_id))
    valid = [row["value"] for row in trace_now["assessments"] if row["valid"]]
    assert valid == ["good"]
