"""The page of a judge's drift: for leads, with the chart, the alarms and the standing sample."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from annotator.models import DriftAlarm, Judge, StandingRule, Team, User
from annotator.services import drift
from annotator.services.drift_watch import rules_of
from tests.annotator.test_drift import AGREES, GOOD_OR_POOR, TURNED, check
from tests.factories import create_experiment, create_judge

pytestmark = pytest.mark.django_db


@pytest.fixture
def judge(team: Team) -> Judge:
    return create_judge(experiment=create_experiment(team=team), value_type=GOOD_OR_POOR)


def _page(client: Client, judge: Judge) -> str:
    response = client.get(reverse("judge-drift", args=[judge.pk]))
    assert response.status_code == 200
    return response.content.decode()


def test_a_judge_that_nobody_checks_says_what_to_do(
    client: Client, judge: Judge, lena: User
) -> None:
    client.force_login(lena)
    page = _page(client, judge)
    assert "Nobody checks this judge regularly" in page
    assert "Watch this judge" in page


def test_a_lead_has_a_judge_watched_changes_that_and_stops_it(
    client: Client, judge: Judge, lena: User, alice: User
) -> None:
    client.force_login(lena)
    address = reverse("judge-drift", args=[judge.pk])
    filled = {"reviewers": [alice.pk], "items": 20, "every_days": 7, "window_hours": 48}
    assert client.post(address, filled)["Location"] == address
    assert rules_of(judge).get().items == 20
    client.post(address, filled | {"items": 30})
    assert rules_of(judge).get().items == 30
    assert "Stop watching" in _page(client, judge)
    client.post(reverse("drift-stop", args=[judge.pk]))
    assert not rules_of(judge).exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"reviewers": []}, "This field is required"),
        ({"items": 4}, "greater than or equal to 5"),
        ({"every_days": "soon"}, "Enter a whole number"),
    ],
)
def test_a_wrong_watch_is_refused_beside_its_field(
    client: Client, judge: Judge, lena: User, alice: User, change: dict[str, object], sentence: str
) -> None:
    client.force_login(lena)
    filled = {"reviewers": [alice.pk], "items": 20, "every_days": 7, "window_hours": 48}
    response = client.post(reverse("judge-drift", args=[judge.pk]), filled | change)
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not StandingRule.objects.exists()


def test_rounds_stand_in_a_chart_and_a_table_in_constant_queries(
    client: Client, judge: Judge, lena: User, alice: User, django_assert_max_num_queries
) -> None:
    check(judge, alice, AGREES)
    client.force_login(lena)
    page = _page(client, judge)
    assert "18 of 20" in page
    assert "<svg" in page
    for _ in range(3):
        check(judge, alice, AGREES[:6])
    with django_assert_max_num_queries(70):
        assert "5 of 6" in _page(client, judge) or "6 of 6" in _page(client, judge)


def test_an_alarm_offers_what_the_judges_policy_proposes(
    client: Client, judge: Judge, lena: User, adam: User, alice: User
) -> None:
    check(judge, alice, TURNED)
    drift.look(judge=judge)
    client.force_login(lena)
    assert "Plan a session" in _page(client, judge)
    Judge.objects.filter(pk=judge.pk).update(drift_proposal="RUN")
    client.force_login(adam)
    assert "Align it anew" in _page(client, judge)


def test_a_lead_dismisses_an_alarm_with_a_reason(
    client: Client, judge: Judge, lena: User, alice: User
) -> None:
    check(judge, alice, TURNED)
    drift.look(judge=judge)
    alarm = DriftAlarm.objects.ringing().get()
    client.force_login(lena)
    address = reverse("drift-dismiss", args=[alarm.pk])
    answer = client.post(address, {"reason": ""}, follow=True).content.decode()
    assert "Say in a sentence" in answer
    page = client.post(address, {"reason": "A holiday week."}, follow=True).content.decode()
    assert "A holiday week." in page
    assert not DriftAlarm.objects.ringing().exists()


def test_experts_and_outsiders_do_not_get_there(
    client: Client, judge: Judge, lena: User, alice: User, olga: User
) -> None:
    check(judge, alice, TURNED)
    drift.look(judge=judge)
    alarm = DriftAlarm.objects.ringing().get()
    addresses = [
        reverse("judge-drift", args=[judge.pk]),
        reverse("drift-stop", args=[judge.pk]),
        reverse("drift-dismiss", args=[alarm.pk]),
    ]
    client.force_login(alice)
    assert {client.post(address).status_code for address in addresses} == {403}
    client.force_login(olga)
    assert {client.post(address).status_code for address in addresses} <= {403, 404}
    client.force_login(lena)
    assert client.get(addresses[1]).status_code == 405
    assert client.post(reverse("drift-dismiss", args=[99_999])).status_code == 404
