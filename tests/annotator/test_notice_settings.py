"""Everybody's own page about notifications."""

from __future__ import annotations

from datetime import time

import pytest
from django.test import Client
from django.urls import reverse

from annotator.models import ActivityLog, NotificationKind, Preferences, User
from annotator.services.notifications import wants

URL = reverse("settings-notifications")
KINDS = [kind.value for kind in NotificationKind if kind != NotificationKind.SETTLED]


def _data(**changes: object) -> dict[str, object]:
    return {
        "kinds": KINDS,
        "wants_digest": "on",
        "digest_at": "09:30",
        "quiet_from": "19:00",
        "quiet_until": "07:30",
        "time_zone": "Europe/Berlin",
        **changes,
    }


def test_what_was_not_asked_for_comes_only_when_it_is_switched_on(
    client: Client, alice: User
) -> None:
    client.force_login(alice)
    kinds = {kind["value"]: kind["is_on"] for kind in client.get(URL).context["kinds"]}
    assert [kind for kind, is_on in kinds.items() if not is_on] == [NotificationKind.SETTLED]
    client.post(URL, _data(kinds=[NotificationKind.SETTLED, NotificationKind.OPENED]))
    preferences = Preferences.objects.get(user=alice)
    told = {kind for kind in NotificationKind.values if wants(kind, preferences)}
    assert told == {NotificationKind.SETTLED, NotificationKind.OPENED}


def test_times_are_kept_on_the_own_clock(client: Client, alice: User) -> None:
    client.force_login(alice)
    response = client.post(URL, _data(wants_digest=""), follow=True)
    assert "Your notifications are saved." in response.content.decode()
    preferences = Preferences.objects.get(user=alice)
    assert not preferences.wants_digest
    assert (preferences.digest_at, preferences.quiet_from) == (time(9, 30), time(19))
    assert preferences.zone.key == "Europe/Berlin"
    form = client.get(URL).context["form"]
    assert form["quiet_until"].value() == time(7, 30)
    assert ActivityLog.objects.filter(actor=alice, target_name="notifications").exists()


def test_each_keeps_their_own(client: Client, alice: User, lena: User) -> None:
    for user, zone in ((alice, "Asia/Tokyo"), (lena, "America/Lima")):
        client.force_login(user)
        client.post(URL, _data(time_zone=zone))
    assert Preferences.objects.get(user=alice).time_zone == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"digest_at": "soon"}, "Write the time as 08:00."),
        ({"quiet_from": ""}, "This field is required."),
        ({"time_zone": "Mars/Base"}, "Mars/Base is not one of the available choices"),
        ({"kinds": ["MOON"]}, "MOON is not one of the available choices"),
    ],
)
def test_a_wrong_setting_says_so_and_nothing_is_kept(
    client: Client, alice: User, changes: dict[str, object], sentence: str
) -> None:
    client.force_login(alice)
    response = client.post(URL, _data(**changes))
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not Preferences.objects.filter(user=alice).exists()


def test_without_an_address_the_page_says_that_nothing_can_be_sent(
    client: Client, alice: User
) -> None:
    client.force_login(alice)
    assert "You have no e-mail address here" in client.get(URL).content.decode()
