"""The page of keys."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from annotator.keymap import DEFAULTS
from annotator.models import ActivityLog, Preferences, User

PAGE = "/settings/keys/"
SWITCHES = {"letter_keys": "on", "auto_submit": "on", "auto_advance": "on"}


def test_keys_and_switches_are_kept_for_this_person_alone(
    client: Client, alice: User, lena: User
) -> None:
    client.force_login(alice)
    answer = client.post(PAGE, {**DEFAULTS, "skip": "x", "letter_keys": "on"})
    assert answer["Location"] == PAGE
    kept = Preferences.objects.get(user=alice)
    assert kept.keys == {"skip": "x"}
    assert (kept.letter_keys, kept.auto_submit, kept.auto_advance) == (True, False, False)
    assert not Preferences.objects.filter(user=lena).exists()
    row = ActivityLog.objects.get(action="set")
    assert (row.actor, row.after["keys"]) == (alice, {"skip": "x"})


def test_a_key_taken_twice_comes_back_with_what_was_typed(client: Client, alice: User) -> None:
    client.force_login(alice)
    answer = client.post(PAGE, {**DEFAULTS, **SWITCHES, "undo": "r", "skip": "x"})
    assert answer.status_code == 422
    assert "already does “Write the reason”" in answer.content.decode()
    assert 'value="x"' in answer.content.decode()
    assert not Preferences.objects.exists()


def test_the_first_keys_come_back(client: Client, alice: User) -> None:
    client.force_login(alice)
    client.post(PAGE, {**DEFAULTS, **SWITCHES, "skip": "x"})
    client.post(PAGE, {**DEFAULTS, **SWITCHES, "skip": "x", "action": "reset"})
    assert Preferences.objects.get(user=alice).keys == {}


def test_it_asks_for_a_sign_in_and_refuses_other_methods(client: Client, alice: User) -> None:
    assert reverse("login") in client.get(PAGE)["Location"]
    client.force_login(alice)
    assert client.get(PAGE).status_code == 200
    assert client.delete(PAGE).status_code == 405
