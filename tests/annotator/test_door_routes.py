"""Every route of the door is asked the same: who may use it, and what it makes of nonsense."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from annotator.ingest.urls import urlpatterns
from annotator.models import ApiToken, Scope, User
from annotator.services import tokens
from tests.annotator.programs import Program

pytestmark = pytest.mark.django_db

OPEN = {"version", "api/3.0/mlflow/server-info"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PATHS = sorted(
    "/"
    + str(pattern.pattern)
    .replace("<wire_id:trace_id>", "tr-1")
    .replace("<wire_id:assessment_id>", "a-1")
    .replace("<wire_id:path>", "1/traces/tr-1/artifacts/traces.json")
    for pattern in urlpatterns
    if str(pattern.pattern) not in OPEN
)


def routes(client: Client) -> list[tuple[str, str]]:
    """The methods that each path takes, as its own refusals say."""
    found = []
    for path in PATHS:
        allowed = client.generic("TRACE", path)["Allow"]
        found += [(method, path) for method in allowed.split(", ")]
    return found


def test_every_address_is_known_here():
    assert len(PATHS) > 35
    assert not any("<" in path for path in PATHS)


def test_no_route_answers_without_a_token_in_force(client, adam: User):
    wanted = routes(client)
    assert {client.generic(*route).status_code for route in wanted} == {401}
    program = Program(adam)
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert {program.send(*route).status_code for route in wanted} == {401}
    ApiToken.objects.update(expires_at=None, revoked_at=timezone.now())
    tokens.forget_callers()
    assert {program.send(*route).status_code for route in wanted} == {401}


def test_every_route_needs_a_scope_and_readers_change_nothing(client, adam: User):
    """With all scopes but one, exactly the routes that need that one refuse."""
    wanted = routes(client)
    needed: dict[tuple[str, str], set[Scope]] = {route: set() for route in wanted}
    for scope in Scope:
        program = Program(adam, scopes=[each for each in Scope if each is not scope])
        for route in wanted:
            if program.send(*route, {}).status_code == 403:
                needed[route].add(scope)
    assert {len(scopes) for scopes in needed.values()} == {1}
    reads = {path for (_, path), scopes in needed.items() if scopes == {Scope.READ}}
    assert reads >= {path for method, path in wanted if method == "GET"}
    assert {path for (_, path), scopes in needed.items() if scopes == {Scope.WRITE_JUDGES}} == {
        f"/api/3.0/mlflow/scorers/{name}" for name in ("register", "delete", "online-config")
    }


def _is_sendable(text: str) -> bool:
    return text.encode("utf-8", "ignore").decode() == text


NONSENSE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["\0", "\ud800", "0", "1", "tr-1", "a-1", 2**70, float("nan")]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)
FIELDS = [
    *("experiment_id", "name", "new_name", "key", "value", "tags", "filter", "order_by"),
    *("max_results", "view_type", "page_token", "locations", "trace_ids", "request_ids", "trace"),
    *("assessment", "update_mask", "serialized_scorer", "version", "run_id", "status", "metrics"),
    *("params", "datasets", "experiment_name", "trace_id", "allow_partial", "scorer_ids"),
    *("max_timestamp_millis", "max_traces", "start_time", "end_time"),
]
DEEPER = st.dictionaries(
    st.sampled_from(
        [
            *("assessment_name", "feedback", "expectation", "source", "metadata", "create_time"),
            *("trace_info", "value", "serialized_value", "error", "overrides", "valid"),
            *("mlflow_experiment", "experiment_id", "trace_id", "request_time", "tags", "key"),
        ]
    ),
    NONSENSE,
)
BODIES = st.dictionaries(st.sampled_from(FIELDS), NONSENSE | DEEPER) | NONSENSE


@given(
    body=BODIES,
    query=st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=8).filter(_is_sendable)),
)
@hypothesis_settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_a_client_sends_is_answered_with_5xx_html_or_a_redirect(
    client, adam: User, body, query
):
    program = Program(adam)
    for method, path in routes(client):
        answer = program.send(method, path, json.dumps(body).encode(), **query)
        assert answer.status_code in (200, 400, 403, 404, 409, 413, 415, 422), (method, path)
        assert "html" not in answer["Content-Type"]


@given(raw=st.binary(max_size=200))
@hypothesis_settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_are_answered_with_5xx(client, adam: User, raw):
    program = Program(adam)
    for method, path in routes(client):
        assert program.send(method, path, raw).status_code < 500, (method, path)
