"""Traces that the real mlflow clients send: they read back whole, and our pages show them."""

from typing import Any

import pytest
from django.test import Client as Browser

from annotator.models import Span, Trace, User
from tests.clients.conftest import Door
from tests.clients.environments import MLFLOW, NEWEST, READS_AT_ONCE, Client, Clients
from tests.clients.pages import page_of
from tests.clients.proxy import Proxy

QUESTION = "Wo bleibt mein Päckchen? ✓"
ONE_BY_ONE = {"MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false"}
ATTRIBUTES = {
    "whole": ["int", 5],
    "float": ["float", 5.0],
    "large": ["int", 2**53 + 1],
    "flag": ["bool", True],
    "nothing": ["NoneType", None],
    "not_a_number": ["float", "nan"],
    "list": ["list", [1, "two", None, {"three": 3}]],
    "empty": ["dict", {}],
    "text_of_json": ["str", "17"],
    "lines": ["str", "one\ntwo\t\u2028end"],
}


def assert_whole(sent: dict[str, Any]) -> None:
    """What `sending.one_of_each` reads back is what it sent."""
    answer, failed, tagged = sent["traces"]
    assert answer["state"] == "OK"
    assert answer["experiment"] == sent["experiment"]
    assert answer["order"] == ["support_agent", "find_articles", "ask_model"]
    agent, articles, model = (answer["spans"][name] for name in answer["order"])
    assert (agent["type"], articles["type"], model["type"]) == ("AGENT", "RETRIEVER", "CHAT_MODEL")
    assert agent["parent"] is None
    assert articles["parent"] == model["parent"] == agent["id"]
    assert agent["inputs"] == {"question": QUESTION, "history": [], "filters": {}}
    assert agent["outputs"] == {"answer": "It arrives on Friday.", "sure": True, "cost": None}
    assert articles["inputs"] == QUESTION
    assert articles["outputs"] == [{"page_content": "Parcels take two days.", "score": 0.5}]
    assert model["inputs"]["n"] == 3
    assert model["attributes"] == ATTRIBUTES
    assert [event["name"] for event in model["events"]] == ["first_token"]
    assert model["events"][0]["attributes"] == {"after_ms": 12}
    assert agent["start"] <= articles["start"] <= model["start"] <= model["end"] <= agent["end"]
    assert abs(answer["request_time"] - agent["start"] // 1_000_000) <= 1

    assert failed["state"] == "ERROR"
    assert failed["spans"]["failing"]["status"] == "ERROR"
    assert failed["spans"]["failing"]["status_message"] == "ValueError: no answer"
    assert failed["spans"]["failing"]["exceptions"] == ["exception"]

    assert tagged["tags"]["tier"] == "gold"
    assert tagged["metadata"]["mlflow.trace.session"] == "chat-7"
    assert tagged["metadata"]["mlflow.trace.user"] == "ann"
    assert tagged["spans"]["with_tags"]["outputs"] == "About tags"


def test_traces_read_back_whole_and_our_pages_show_them(
    mlflow_client: Client, door: Door, lena: User, client: Browser
) -> None:
    sent = door.call(mlflow_client, "sending.one_of_each", experiment="Support")
    assert_whole(sent)
    assert "WARNING" not in mlflow_client.printed

    client.force_login(lena)
    listed = page_of(client, "/traces/")
    assert QUESTION in listed
    assert "It arrives on Friday." in listed
    for trace, texts in zip(
        sent["traces"],
        ([QUESTION, "find_articles", "ask_model", "AGENT"], ["no answer"], ["About tags", "gold"]),
        strict=True,
    ):
        page = page_of(client, f"/trace/{trace['id']}?view=steps")
        assert [text for text in texts if text.lower() not in page.lower()] == []


@pytest.mark.parametrize("name", ["mlflow-3.10", NEWEST])
def test_spans_that_come_one_by_one_make_the_same_traces(
    name: str, clients: Clients, door: Door
) -> None:
    sent = door.call(
        clients.get(name, **ONE_BY_ONE), "sending.one_of_each", experiment="One by one"
    )
    assert_whole(sent)


@pytest.mark.parametrize("name", ["mlflow-3.10", NEWEST])
def test_no_span_is_lost_by_a_client_whose_probe_of_the_version_failed(
    name: str, clients: Clients, door: Door, proxy: Proxy
) -> None:
    proxy.fails = {"/version"}
    sent = clients.fresh(name).call(
        "sending.one_of_each", url=proxy.url, token=door.token, experiment="Files"
    )
    assert ("POST", "/v1/traces") not in proxy.seen
    uploads = [path for method, path in proxy.seen if method == "PUT"]
    assert len(uploads) == 3
    assert all(path.endswith("/traces.json") for path in uploads)
    assert_whole(sent)


def test_the_oldest_client_sends_and_reads_files(
    clients: Clients, door: Door, proxy: Proxy
) -> None:
    client = clients.fresh("mlflow-3.5")
    sent = client.call("sending.one_of_each", url=proxy.url, token=door.token, experiment="Old")
    assert_whole(sent)
    methods = [method for method, path in proxy.seen if path.endswith("/traces.json")]
    assert methods.count("PUT") == 3
    assert methods.count("GET") == 3


def test_every_client_reads_what_another_sent(
    mlflow_client: Client, clients: Clients, door: Door
) -> None:
    sent = door.call(clients.get(NEWEST), "sending.one_of_each", experiment="Read by all")
    ids = [trace["id"] for trace in sent["traces"]]
    read = door.call(mlflow_client, "sending.read", ids=ids)
    assert [trace["spans"] for trace in read] == [trace["spans"] for trace in sent["traces"]]
    found = door.call(mlflow_client, "sending.listed", experiment=sent["experiment"])
    assert {trace["id"]: trace["spans"] for trace in found} == {
        trace["id"]: trace["spans"] for trace in sent["traces"]
    }


@pytest.mark.parametrize("name", MLFLOW)
def test_a_trace_can_be_read_as_soon_as_its_span_has_ended(
    name: str, clients: Clients, door: Door
) -> None:
    client = clients.get(name, **READS_AT_ONCE)
    assert door.call(client, "sending.read_at_once", experiment="At once") == [3] * 7


def test_traces_from_many_threads_all_arrive(
    clients: Clients, door: Door, lena: User, client: Browser
) -> None:
    sent = door.call(clients.get(NEWEST), "sending.many", experiment="Many", count=60, threads=8)
    assert set(Trace.objects.values_list("trace_id", flat=True)) == set(sent["ids"])
    assert Span.objects.count() == 60
    client.force_login(lena)
    assert "60" in page_of(client, "/traces/count")


def test_traces_without_an_experiment_go_to_the_default_one(clients: Clients, door: Door) -> None:
    sent = door.call(clients.fresh(NEWEST), "sending.without_experiment")
    assert sent["experiment"] == "0"
    assert [trace["id"] for trace in sent["found"]] == [sent["id"]]


def test_tags_are_set_changed_and_deleted(mlflow_client: Client, door: Door) -> None:
    sent = door.call(mlflow_client, "sending.many", experiment="Tags", count=1)
    done = door.call(mlflow_client, "sending.tags", trace_id=sent["ids"][0])
    assert done["tags"]["reviewed"] == "yes, by ann"
    assert "passing" not in done["tags"]
    assert done["unknown_tag"]["code"] == "RESOURCE_DOES_NOT_EXIST"
    assert done["unknown_trace"]["code"] == "RESOURCE_DOES_NOT_EXIST"
