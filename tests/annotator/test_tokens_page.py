"""The page where people make and revoke the tokens of their programs."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client
from django.urls import reverse

from annotator.models import ActivityLog, ApiToken, Membership, Role, Scope, User
from tests.factories import create_team, create_token

pytestmark = pytest.mark.django_db

PAGE = reverse("settings-tokens")


def make(client: Client, user: User, **fields: object):
    client.force_login(user)
    team = user.memberships.get().team_id
    data = {"name": "nightly", "team": team, "scopes": ["READ"], "days": "30", **fields}
    return client.post(PAGE, {key: value for key, value in data.items() if value is not None})


def secret_on(answer) -> str:
    found = re.findall(r'data-copy="(ann_[^"]+)"', answer.content.decode())
    return found[0] if found else ""


def test_a_new_token_is_shown_once_with_the_lines_to_paste(client, adam: User):
    answer = make(client, adam)
    secret = secret_on(answer)
    text = html.unescape(answer.content.decode())
    assert f"export MLFLOW_TRACKING_TOKEN={secret}" in text
    assert "export MLFLOW_TRACKING_URI=http://testserver" in text
    assert f"authorization=Bearer%20{secret}" in text
    assert f'curl http://testserver/v1/traces -H "Authorization: Bearer {secret}"' in text
    assert answer["Cache-Control"] == "no-store"
    later = client.get(PAGE).content.decode()
    assert secret not in later
    assert secret[:12] in later
    assert "YOUR_TOKEN" in later


def test_the_new_token_opens_the_door(client, adam: User):
    secret = secret_on(make(client, adam))
    headers = {"authorization": f"Bearer {secret}"}
    address = "/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert Client().get(address, headers=headers).status_code == 200


def test_it_is_what_the_form_said(client, adam: User):
    make(client, adam, scopes=["READ", "WRITE_JUDGES"], days="90")
    token = ApiToken.objects.get()
    assert (token.name, token.scopes) == ("nightly", ["READ", "WRITE_JUDGES"])
    assert token.expires_at is not None
    assert (token.expires_at - token.created_at).days in (89, 90)
    log = ActivityLog.objects.get(action="created token")
    assert (log.actor, log.team) == (adam, token.team)


def test_it_may_last_for_ever(client, adam: User):
    make(client, adam, days="")
    assert ApiToken.objects.get().expires_at is None


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "x" * 121},
        {"scopes": []},
        {"scopes": ["EVERYTHING"]},
        {"scopes": ["WRITE_JUDGES"]},
        {"team": 99999},
        {"days": "1000000"},
    ],
)
def test_a_wrong_form_comes_back_and_makes_nothing(client, alice: User, fields):
    answer = make(client, alice, **fields)
    assert answer.status_code == 422
    assert "error-text" in answer.content.decode()
    assert not ApiToken.objects.exists()


def test_an_expert_is_not_offered_what_they_may_not_grant(client, alice: User):
    client.force_login(alice)
    page = client.get(PAGE).content.decode()
    assert "WRITE_FEEDBACK" in page
    assert "WRITE_JUDGES" not in page


def test_who_is_in_two_teams_chooses_one(client, alice: User):
    other = create_team(name="Other")
    Membership.objects.create(user=alice, team=other, role=Role.ADMIN)
    client.force_login(alice)
    data = {"name": "n", "team": other.pk, "scopes": [Scope.WRITE_JUDGES], "days": ""}
    assert client.post(PAGE, data).status_code == 200
    assert ApiToken.objects.get().team == other
    support = Membership.objects.exclude(team=other).get().team_id
    assert client.post(PAGE, {**data, "team": support}).status_code == 422


def test_people_see_their_own_tokens_and_admins_the_teams(client, alice: User, adam: User, olga):
    for user in (alice, adam, olga):
        create_token(user=user)
    shown = {}
    for user in (alice, adam):
        client.force_login(user)
        page = client.get(PAGE).content.decode()
        shown[user.username] = [
            token.user.username for token in ApiToken.objects.all() if f"{token.prefix}…" in page
        ]
    assert shown == {"alice": ["alice"], "adam": ["alice", "adam"]}


def test_a_token_is_revoked_by_its_person_or_an_admin_and_by_nobody_else(
    client, alice: User, lena: User, adam: User
):
    create_token(user=alice)
    token = ApiToken.objects.get()
    address = reverse("token-revoke", args=[token.pk])
    client.force_login(lena)
    assert client.post(address).status_code == 404
    client.force_login(adam)
    answer = client.post(address, follow=True)
    assert "is revoked" in answer.content.decode()
    token.refresh_from_db()
    assert token.revoked_at is not None
    assert ActivityLog.objects.get(action="revoked token").actor == adam


def test_the_page_takes_few_queries_however_many_tokens(
    client, adam: User, django_assert_max_num_queries
):
    for _ in range(8):
        create_token(user=adam)
    client.force_login(adam)
    with django_assert_max_num_queries(12):
        client.get(PAGE)
