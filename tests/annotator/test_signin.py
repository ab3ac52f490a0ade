"""The one-time link, and tokens for programs."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotator.models import ActivityLog, ApiToken, Membership, SignInLink, User
from annotator.services import signin
from tests.factories import create_team

pytestmark = pytest.mark.django_db


@pytest.fixture
def secret(adam: User) -> str:
    return signin.create_link(user=adam)


def follow(client, secret: str, **extra: str):
    return client.get(reverse("start", args=[secret]), **extra)


def signed_in_as(client: Client) -> Any:
    return client.session.get("_auth_user_id")


def test_the_link_signs_in_and_is_used_up(client, adam: User, secret):
    answer = follow(client, secret)
    assert (answer.status_code, answer.url) == (302, "/")
    assert signed_in_as(client) == str(adam.pk)
    assert SignInLink.objects.get().used_at is not None
    assert ActivityLog.objects.filter(actor=adam, action="signed in by link").exists()


def test_a_used_link_signs_nobody_in_and_says_what_to_do(client, secret):
    follow(client, secret)
    client.logout()
    answer = follow(client, secret)
    assert answer.status_code == 403
    assert signed_in_as(client) is None
    assert "has been used already" in answer.text
    assert "make run" in answer.text


def test_a_used_link_takes_who_is_signed_in_to_the_first_page(client, secret):
    follow(client, secret)
    assert follow(client, secret).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_of_two_visitors_at_once_one_is_signed_in(secret):
    together = Barrier(4)

    def visit() -> bool:
        together.wait()
        try:
            signin.use_link(secret=secret, address="127.0.0.1")
        except signin.SignInError:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(future.result() for future in [pool.submit(visit) for _ in range(4)]) == 1


@pytest.mark.parametrize(
    "extra",
    [
        {"REMOTE_ADDR": "192.0.2.7"},
        {"REMOTE_ADDR": "::ffff:192.0.2.7"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.7"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=192.0.2.7"},
    ],
)
def test_the_link_works_on_this_machine_only_and_is_not_used_up_elsewhere(client, secret, extra):
    answer = follow(client, secret, **extra)
    assert answer.status_code == 403
    assert "only on the machine" in answer.text
    assert follow(client, secret, REMOTE_ADDR="127.0.0.1").status_code == 302


def test_ipv6_loopback_is_this_machine(client, secret):
    assert follow(client, secret, REMOTE_ADDR="::1").status_code == 302


def test_an_old_link_is_refused(client, secret):
    SignInLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    answer = follow(client, secret)
    assert answer.status_code == 403
    assert "older than 24 hours" in answer.text


def test_an_unknown_link_is_refused(client, db):
    answer = follow(client, "no-such-secret")
    assert answer.status_code == 403
    assert "not known here" in answer.text


def test_a_link_of_a_locked_user_is_refused(client, adam: User, secret):
    User.objects.filter(pk=adam.pk).update(is_active=False)
    assert follow(client, secret).status_code == 403


def test_a_link_cannot_be_posted_to(client, secret):
    assert client.post(reverse("start", args=[secret])).status_code == 405


def test_the_database_does_not_hold_the_secret(secret):
    assert secret not in str(SignInLink.objects.values().get())


def test_create_token_prints_the_token_and_nothing_else(adam: User, capsys):
    call_command("create_token", user="adam", name="nightly import")
    printed = capsys.readouterr()
    token = printed.out.removesuffix("\n")
    assert printed.err == ""
    assert token.split() == [token]
    row = ApiToken.objects.get()
    assert (row.user, row.name) == (adam, "nightly import")
    assert row.digest == hashlib.sha256(token.encode()).hexdigest()
    assert token.startswith(row.prefix)
    assert len(row.prefix) < len(token) / 2
    log = ActivityLog.objects.get(action="created token")
    assert token not in f"{log.target_name} {log.before} {log.after}"


def test_create_token_for_nobody_is_refused(db, capsys):
    with pytest.raises(CommandError, match="no active user named 'nobody'"):
        call_command("create_token", user="nobody")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "x" * 121}, "at most 120 characters"),
        ({"days": 0}, "from 1 to 3650 days"),
        ({"team": "Other"}, "in no team 'Other'"),
    ],
)
def test_create_token_says_what_is_wrong(adam: User, options, says):
    with pytest.raises(CommandError, match=says):
        call_command("create_token", user="adam", **options)


def test_create_token_wants_to_know_which_of_two_teams(adam: User):
    Membership.objects.create(user=adam, team=create_team(name="Other"))
    with pytest.raises(CommandError, match="name one with --team: Other, Support"):
        call_command("create_token", user="adam")


def test_create_token_grants_what_it_is_told_to(adam: User):
    call_command("create_token", user="adam", scope=["READ"], days=30)
    row = ApiToken.objects.get()
    assert row.scopes == ["READ"]
    assert row.expires_at is not None
