"""Searches of the real mlflow clients."""

from typing import Any

import pytest

from tests.clients.conftest import Door
from tests.clients.environments import MLFLOW, NEWEST, Clients

# What each filter finds among the traces of `searching.prepare`, newest first: the meaning of a client's filter.
NEWEST_FIRST = ["zeta", "ep_silon", "Delta", "gamma", "beta", "alpha"]
FOUND: dict[str, list[str]] = {
    "": NEWEST_FIRST,
    "status = 'OK'": ["zeta", "Delta", "gamma", "beta", "alpha"],
    "trace.status = 'ERROR'": ["ep_silon"],
    "attributes.status != 'OK'": ["ep_silon"],
    "status IN ('ERROR', 'IN_PROGRESS')": ["ep_silon"],
    "name = 'alpha'": ["alpha"],
    "name LIKE '%eta'": ["zeta", "beta"],
    "name ILIKE 'delta'": ["Delta"],
    "name LIKE 'delta'": [],
    "name LIKE 'ep_silon'": ["ep_silon"],
    "request_id = '{alpha}'": ["alpha"],
    "client_request_id = 'request-3'": ["Delta"],
    "timestamp_ms > {past}": NEWEST_FIRST,
    "timestamp > {future}": [],
    "timestamp_ms<{future} AND status='ERROR'": ["ep_silon"],
    "execution_time_ms >= 0": NEWEST_FIRST,
    "execution_time_ms < -1": [],
    "tags.tier = 'gold'": ["alpha"],
    "tags.tier ILIKE 'GOLD'": ["gamma", "alpha"],
    "tag.tier != 'gold'": ["gamma", "beta"],
    "tags.tier IS NULL": ["zeta", "ep_silon", "Delta"],
    "tags.`dotted.key` = 'x'": ["gamma", "beta", "alpha"],
    "tags.dotted.key = 'x'": ["gamma", "beta", "alpha"],
    "metadata.`mlflow.trace.session` = 'chat-1'": ["Delta", "gamma"],
    "request_metadata.mlflow.trace.session = 'chat-2'": ["zeta", "ep_silon"],
    "feedback.quality = 'good'": ["alpha"],
    "feedback.quality LIKE '%ood%'": ["gamma", "alpha"],
    "feedback.quality IS NOT NULL": ["zeta", "gamma", "beta", "alpha"],
    "feedback.quality = 'fair'": ["zeta"],
    "feedback.ok = 'true'": ["alpha"],
    "feedback.stars > 2.5": ["Delta", "alpha"],
    "feedback.stars <= 2.5": ["beta"],
    "feedback.`dotted.name` = 'yes'": ["zeta"],
    "expectation.capital = 'Paris'": ["alpha"],
    "expectation.facts IS NOT NULL": ["beta"],
    "span.name = 'look_up'": NEWEST_FIRST,
    "span.type = 'RETRIEVER'": ["ep_silon", "gamma", "alpha"],
    "span.status = 'ERROR'": ["ep_silon"],
    "span.attributes.store LIKE '%north%'": ["gamma", "beta", "alpha"],
    "trace.text LIKE '%50\\% off%'": [],
    "trace.text ILIKE '%number 5%'": ["zeta"],
    "tags.tier = 'gold' AND feedback.quality = 'good' AND status = 'OK'": ["alpha"],
}
REFUSED = [
    "trace_id = 'tr-1'",
    "colour = 'red'",
    "status = OK",
    "status = 'OK' OR status = 'ERROR'",
    "NOT status = 'OK'",
    "status =",
    "tags.tier IN ('gold')",
    "tags.tier > 'a'",
    "status IS NULL",
    "feedback.stars = 5",
    "feedback.stars > '5'",
    "status = 'OK'; DROP TABLE traces",
    "(status = 'OK'",
    "name LIKE 5",
    "timestamp_ms ~ 5",
]
ORDERS: dict[str, list[str]] = {
    "timestamp_ms ASC": NEWEST_FIRST[::-1],
    "timestamp DESC": NEWEST_FIRST,
    "name ASC": sorted(NEWEST_FIRST),
    "name DESC": sorted(NEWEST_FIRST, reverse=True),
    "status ASC, name ASC": ["ep_silon", "Delta", "alpha", "beta", "gamma", "zeta"],
}


@pytest.fixture
def prepared(clients: Clients, door: Door) -> dict[str, Any]:
    """Six traces that differ in what a filter can ask for."""
    prepared: dict[str, Any] = door.call(clients.get(NEWEST), "searching.prepare", experiment="Six")
    return prepared


@pytest.mark.parametrize("name", ["mlflow-3.5", NEWEST])
def test_filters_and_orders_find_what_they_say(
    name: str, clients: Clients, door: Door, prepared: dict[str, Any]
) -> None:
    found = door.call(
        clients.get(name),
        "searching.found",
        **prepared,
        filters=[*FOUND, *REFUSED],
        orders=[*(order.split(", ") for order in ORDERS), ["colour ASC"]],
    )
    wrong = {
        text: names
        for text, names in found["filters"].items()
        if text in FOUND and names != FOUND[text]
    }
    assert wrong == {}
    accepted = [text for text in REFUSED if found["filters"][text] != "INVALID_PARAMETER_VALUE"]
    assert accepted == []
    assert found["orders"] == {**ORDERS, "colour ASC": "INVALID_PARAMETER_VALUE"}


# mlflow-tracing has no client object, and so no pages of its own choosing
@pytest.mark.parametrize("name", [name for name in MLFLOW if name != "mlflow-tracing"])
def test_pages_hold_every_trace_once_and_the_last_one_ends(
    name: str, clients: Clients, door: Door, prepared: dict[str, Any]
) -> None:
    found = door.call(
        clients.get(name), "searching.pages", experiment=prepared["experiment"], size=2
    )
    ids = [prepared["ids"][name] for name in NEWEST_FIRST]
    assert found["pages"] == [ids[:2], ids[2:4], ids[4:]]
    assert found["damaged"]["code"] == "INVALID_PARAMETER_VALUE"
    assert found["too_large"]["code"] == "INVALID_PARAMETER_VALUE"
    assert found["nowhere"] == 0


def test_more_than_a_page_is_read_with_its_spans(clients: Clients, door: Door) -> None:
    sent = door.call(clients.get(NEWEST), "sending.many", experiment="Large", count=230, threads=4)
    found = door.call(clients.get(NEWEST), "sending.listed", experiment=sent["experiment"])
    assert {trace["id"] for trace in found} == set(sent["ids"])
    assert all(len(trace["spans"]) == 1 for trace in found)
    few = door.call(
        clients.get(NEWEST), "sending.listed", experiment=sent["experiment"], max_results=15
    )
    assert [trace["id"] for trace in few] == [trace["id"] for trace in found[:15]]


def test_experiments_are_made_renamed_tagged_deleted_and_found(
    clients: Clients, door: Door
) -> None:
    done = door.call(clients.get(NEWEST), "searching.experiments", prefix="Shop")
    assert done == {
        "deleted": ["Shop one", "deleted", {"owner": "ann"}],
        "left": ["Shop zwei"],
        "taken": "RESOURCE_ALREADY_EXISTS",
        "after_restoring": [
            ["Shop zwei", "active", {"owner": "ben"}],
            ["Shop one", "active", {"owner": "ann"}],
        ],
        "by_tag": ["Shop zwei"],
        "one_page": [1, True],
        "by_name": True,
        "missing": None,
        "unknown": "RESOURCE_DOES_NOT_EXIST",
        "no_name": "INVALID_PARAMETER_VALUE",
        "bad_filter": "INVALID_PARAMETER_VALUE",
        "default": "Default",
    }


def test_traces_are_deleted_by_their_ids_and_by_their_age(
    clients: Clients, door: Door, prepared: dict[str, Any]
) -> None:
    client, ids, experiment = clients.get(NEWEST), prepared["ids"], prepared["experiment"]
    done = door.call(
        client, "searching.delete", experiment=experiment, ids=[ids["zeta"], "tr-" + "0" * 32]
    )
    assert done == {"deleted": 1, "left": [ids[name] for name in NEWEST_FIRST[1:]]}
    done = door.call(
        client, "searching.delete", experiment=experiment, ids=[], before=4_000_000_000_000
    )
    assert done == {"deleted": 1, "left": [ids[name] for name in NEWEST_FIRST[1:-1]]}
