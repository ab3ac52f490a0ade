"""Everybody's own page about notifications."""

from __future__ import annotations

from datetime import time

import pytest
from django.test import Client
from django.urls import reverse

from annotator.models import ActivityLog, NotificationKind, Preferences, Timing, User
from annotator.models.notifications import ADMINS_ONLY

URL = reverse("settings-notifications")


def _data(**changes: object) -> dict[str, object]:
    kinds = [kind for kind in NotificationKind if kind not in ADMINS_ONLY]
    return {
        **dict.fromkeys(kinds, Timing.DIGEST.value),
        "digest_at": "09:30",
        "quiet_from": "19:00",
        "quiet_until": "07:30",
        "time_zone": "Europe/Berlin",
        **changes,
    }


def test_the_usual_is_one_mail_a_day_but_for_what_cannot_wait(client: Client, alice: User) -> None:
    client.force_login(alice)
    form = client.get(URL).context["form"]
    usual = {field.name: field.value() for field in form.rows()}
    assert {kind for kind, timing in usual.items() if timing == Timing.AT_ONCE} == {
        "OPENED", "LAST_HOUR", "REMINDER",
    }  # fmt: skip
    assert [kind for kind, timing in usual.items() if timing == Timing.NEVER] == ["SETTLED"]


def test_each_kind_comes_when_one_wants_it(client: Client, alice: User) -> None:
    client.force_login(alice)
    client.post(URL, _data(SETTLED="AT_ONCE", OPENED="NEVER"))
    preferences = Preferences.objects.get(user=alice)
    assert preferences.timing_of("SETTLED") == Timing.AT_ONCE
    assert preferences.timing_of("OPENED") == Timing.NEVER
    assert preferences.timing_of("DRIFT") == Timing.DIGEST
    assert client.get(URL).context["form"]["OPENED"].value() == "NEVER"


def test_only_admins_are_asked_about_workers(client: Client, alice: User, adam: User) -> None:
    for user, is_asked in ((alice, False), (adam, True)):
        client.force_login(user)
        names = {field.name for field in client.get(URL).context["form"].rows()}
        assert ("WORKER_DOWN" in names) == is_asked


def test_times_are_kept_on_the_own_clock(client: Client, alice: User) -> None:
    client.force_login(alice)
    response = client.post(URL, _data(), follow=True)
    assert "Your notifications are saved." in response.content.decode()
    preferences = Preferences.objects.get(user=alice)
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
        ({"OPENED": "LATER"}, "LATER is not one of the available choices"),
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
