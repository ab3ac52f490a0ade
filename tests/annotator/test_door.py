"""The frame of the door for programs: who is let in, and how every refusal reads."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from annotator.models import ApiToken, Membership, Role, Scope, Team, User
from annotator.services import tokens
from tests.factories import create_experiment, create_team, create_token

pytestmark = pytest.mark.django_db

GET_EXPERIMENT = "/api/2.0/mlflow/experiments/get?experiment_id=0"
CREATE_EXPERIMENT = "/api/2.0/mlflow/experiments/create"


@pytest.fixture
def client():
    """A client that would be refused a form without a form token, as a browser is."""
    return Client(enforce_csrf_checks=True)


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def create(client: Client, secret: str, body: bytes, **headers: str):
    return client.post(
        CREATE_EXPERIMENT,
        body,
        content_type="application/json",
        headers={**bearer(secret), **headers},
    )


def test_the_version_is_one_of_mlflow_and_needs_no_token(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = client.get("/version")
    assert (answer.status_code, answer.content) == (200, b"3.18.0")


def test_server_info_needs_no_token_and_offers_no_workspaces(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = client.get("/api/3.0/mlflow/server-info")
    assert answer.json()["workspaces_enabled"] is False


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer wrong", "Basic", "Basic %%%", "Basic dXNlcg==", "Digest x", "ä"],
)
def test_without_a_token_the_answer_says_where_to_get_one(client, authorization):
    headers = {"authorization": authorization} if authorization else {}
    answer = client.get(GET_EXPERIMENT, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error_code"] == "UNAUTHENTICATED"
    assert "MLFLOW_TRACKING_TOKEN" in answer.json()["message"]
    assert "/settings/tokens/" in answer.json()["message"]
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("user_name", ["adam", "token", "", "anybody:else"])
def test_basic_takes_the_token_as_password_under_any_user_name(client, adam: User, user_name):
    pair = base64.b64encode(f"{user_name}:{create_token(user=adam)}".encode()).decode()
    answer = client.get(GET_EXPERIMENT, headers={"authorization": f"Basic {pair}"})
    assert answer.status_code == (401 if ":" in user_name else 200)


def test_a_signed_in_browser_is_not_let_in_by_its_cookie(client, adam: User):
    client.force_login(adam)
    assert client.get(GET_EXPERIMENT).status_code == 401


def test_a_revoked_token_is_refused_at_once_in_the_process_that_revoked_it(client, adam: User):
    secret = create_token(user=adam)
    assert client.get(GET_EXPERIMENT, headers=bearer(secret)).status_code == 200
    tokens.revoke_token(actor=adam, token=ApiToken.objects.get())
    answer = client.get(GET_EXPERIMENT, headers=bearer(secret))
    assert answer.status_code == 401
    assert "revoked" in answer.json()["message"]


def test_an_expired_token_is_refused(client, adam: User):
    secret = create_token(user=adam, days=1)
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    answer = client.get(GET_EXPERIMENT, headers=bearer(secret))
    assert answer.status_code == 401
    assert "expired" in answer.json()["message"]


def test_the_token_of_somebody_who_left_the_team_is_refused(client, adam: User):
    secret = create_token(user=adam)
    Membership.objects.filter(user=adam).delete()
    answer = client.get(GET_EXPERIMENT, headers=bearer(secret))
    assert answer.status_code == 401
    assert "left the team" in answer.json()["message"]


def test_the_token_of_a_locked_user_is_refused(client, adam: User):
    secret = create_token(user=adam)
    User.objects.update(is_active=False)
    assert client.get(GET_EXPERIMENT, headers=bearer(secret)).status_code == 401


def test_a_token_does_not_outlive_the_role_that_allowed_its_scopes(adam: User):
    secret = create_token(user=adam, scopes=[Scope.WRITE_JUDGES, Scope.READ])
    Membership.objects.filter(user=adam).update(role=Role.EXPERT)
    assert tokens.find_caller(secret).scopes == {Scope.READ}


def test_a_token_without_the_scope_is_told_which_one_is_missing(client, adam: User):
    answer = create(client, create_token(user=adam, scopes=[Scope.READ]), b'{"name": "x"}')
    assert answer.status_code == 403
    assert answer.json()["error_code"] == "PERMISSION_DENIED"
    assert "send traces" in answer.json()["message"]


def test_a_token_opens_one_team_even_to_a_user_of_two(client, adam: User):
    other = create_team(name="Other")
    Membership.objects.create(user=adam, team=other, role=Role.ADMIN)
    experiment = create_experiment(team=other)
    secret = create_token(user=adam, team=Team.objects.get(name="Support"))
    answer = client.get(
        f"/api/2.0/mlflow/experiments/get?experiment_id={experiment.pk}", headers=bearer(secret)
    )
    assert answer.status_code == 404
    assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_the_last_use_is_written_down_once_a_minute(
    client, adam: User, django_assert_max_num_queries
):
    secret = create_token(user=adam)
    client.get(GET_EXPERIMENT, headers=bearer(secret))
    used = ApiToken.objects.get().last_used_at
    assert used is not None
    with django_assert_max_num_queries(2) as queries:
        client.get(GET_EXPERIMENT, headers=bearer(secret))
    assert not any("UPDATE" in query["sql"] for query in queries.captured_queries)
    assert ApiToken.objects.get().last_used_at == used


def test_who_asks_too_often_is_told_to_wait(client, adam: User, settings):
    settings.API_RATE_LIMIT = 1
    secret = create_token(user=adam)
    answers = [client.get(GET_EXPERIMENT, headers=bearer(secret)) for _ in range(5)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].json()["error_code"] == "REQUEST_LIMIT_EXCEEDED"
    assert refused[0]["Retry-After"] == "1"


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/v1", "/v1/", "/api/2.0/mlflow/nothing", "/v1/x", "/api/a%00b"]
)
def test_an_unknown_address_is_json_and_no_redirect(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["error_code"] == "ENDPOINT_NOT_FOUND"


def test_a_slash_at_the_end_is_another_address(client):
    assert client.get("/version/").status_code == 404
    assert client.get(f"{CREATE_EXPERIMENT}/").status_code == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
def test_a_wrong_method_is_json_and_names_the_right_one(client, method):
    answer = client.generic(method, CREATE_EXPERIMENT)
    assert answer.status_code == 405
    assert answer["Allow"] == "POST"
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


def test_a_host_name_that_pages_refuse_is_answered_as_json(client, adam: User):
    answer = client.get(GET_EXPERIMENT, headers={"host": "made up!"})
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "'name': it is missing"),
        (b"null", "must be a JSON object"),
        (b"[]", "must be a JSON object"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"name": ' + b"9" * 5000 + b"}", "too long"),
        (b'{"name": 5}', "must be a text, not a number"),
        (b'{"name": "a\\u0000b"}', "NUL"),
        (b'{"name": "\\ud800"}', "half a character"),
        (b'{"name": "x", "tags": [{"key": ""}]}', "'tags.0.key': it is missing"),
        (b'{"name": "x", "tags": {"a": "b"}}', "must be a list, not an object"),
    ],
)
def test_a_bad_body_is_refused_with_a_sentence(client, adam: User, body, says):
    answer = create(client, create_token(user=adam), body)
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert says in answer.json()["message"]


@pytest.mark.parametrize("levels", [150, 5000])
def test_a_body_that_is_nested_too_deeply_is_too_large(client, adam: User, levels):
    body = b'{"name": "x", "tags": ' + b"[" * levels + b"]" * levels + b"}"
    answer = create(client, create_token(user=adam), body)
    assert answer.status_code == 413
    assert "INGEST_DEPTH" in answer.json()["message"]


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body, wbits=-15)),
        ("identity", lambda body: body),
    ],
)
def test_a_packed_body_is_unpacked(client, adam: User, encoding, pack):
    body = pack(json.dumps({"name": "packed"}).encode())
    answer = create(client, create_token(user=adam), body, **{"content-encoding": encoding})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", b"no"), ("gzip", gzip.compress(b"{}", mtime=0)[:-9]), ("br", b"x"), ("deflate", b"")],
)
def test_a_body_that_cannot_be_unpacked_is_refused(client, adam: User, encoding, body):
    answer = create(client, create_token(user=adam), body, **{"content-encoding": encoding})
    assert answer.status_code == 400


def test_a_body_that_is_too_large_is_413(client, adam: User, settings):
    settings.INGEST_BODY_MB = 1
    answer = create(client, create_token(user=adam), b" " * (1 << 20) + b"{}")
    assert answer.status_code == 413
    assert "larger than 1 MB" in answer.json()["message"]


def test_a_body_that_unpacks_to_too_much_is_413(client, adam: User, settings):
    settings.INGEST_BODY_MB = 1
    bomb = gzip.compress(b" " * (64 << 20))
    assert len(bomb) < (1 << 20)
    answer = create(client, create_token(user=adam), bomb, **{"content-encoding": "gzip"})
    assert answer.status_code == 413


def test_a_length_that_is_no_number_does_no_harm(client, adam: User):
    answer = client.generic(
        "POST",
        CREATE_EXPERIMENT,
        b'{"name": "x"}',
        headers=bearer(create_token(user=adam)),
        CONTENT_LENGTH="many",
    )
    assert answer.status_code == 400


def test_a_failure_of_ours_is_told_in_json_and_logged(client, adam: User, caplog):
    secret = create_token(user=adam)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE annotator_experiment RENAME TO annotator_elsewhere")
    answer = create(client, secret, b'{"name": "lost"}')
    assert answer.status_code == 500
    assert answer.json()["error_code"] == "INTERNAL_ERROR"
    assert "log has the details" in answer.json()["message"]
    assert CREATE_EXPERIMENT in caplog.text
