"""A judge's policies, and the page about models."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from alignment.sides import Side
from annotator.models import ActivityLog, Judge, Team, User
from judges.values import ValueKind, ValueType
from tests.factories import (
    create_experiment,
    create_judge,
)


@pytest.fixture
def judge(team: Team) -> Judge:
    return create_judge(experiment=create_experiment(team=team))


def _settings(judge: Judge) -> str:
    return reverse("judge-settings", args=[judge.pk])


def _data(client: Client, judge: Judge, **changes: Any) -> dict[str, Any]:
    """What a browser sends when nothing but `changes` was touched."""
    context = client.get(_settings(judge)).context
    forms = (context["form"], context["optimizer_form"])
    values = {
        name: form[name].value()
        for form in forms
        for name in form.fields
        if form[name].value() is not None
    }
    return {**values, **changes}


def test_saving_the_settings_as_they_came_changes_nothing(
    client: Client, judge: Judge, adam: User
) -> None:
    client.force_login(adam)
    response = client.post(_settings(judge), _data(client, judge))
    assert response.status_code == 302
    assert not ActivityLog.objects.filter(action="set").exists()


def test_an_admin_changes_thresholds_sides_and_policies(
    client: Client, judge: Judge, adam: User
) -> None:
    client.force_login(adam)
    data = _data(
        client,
        judge,
        minimum_labels="20",
        recommended_labels="80",
        minimum_share="25",
        side_2="NEUTRAL",
        alignment_policy="MANUAL",
        promotion_policy="APPROVAL",
        max_harm_per_side="5",
        optimizer_model="demo:/judge",
        option_simba_steps="2",
    )
    assert client.post(_settings(judge), data).status_code == 302
    judge.refresh_from_db()
    assert (judge.minimum_labels, judge.recommended_labels, judge.minimum_share) == (20, 80, 0.25)
    assert judge.side_of("fair") is Side.NEUTRAL
    assert judge.side_of("poor") is Side.NEGATIVE
    assert judge.promotion_policy == Judge.PromotionPolicy.APPROVAL
    assert judge.max_harm_per_side == 0.05
    assert judge.optimizer_params == {"steps": 2}
    assert judge.optimizer_model == "demo:/judge"
    assert ActivityLog.objects.filter(action="set", actor=adam).exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"minimum_labels": "1"}, "Ask for at least 2 labels"),
        ({"minimum_labels": "many"}, "Enter a whole number."),
        ({"minimum_labels": "60", "recommended_labels": "50"}, "Recommend at least as many labels"),
        ({"minimum_share": "50"}, "less than or equal to 49.9"),
        ({"side_0": "UP"}, "Select a valid choice."),
        ({"optimizer": "magic"}, "Select a valid choice."),
        ({"option_simba_steps": "x"}, "Enter a whole number."),
        ({"realign_after": "0"}, "greater than or equal to 1"),
        ({"promotion_margin": "101"}, "less than or equal to 100"),
    ],
)
def test_a_setting_that_is_wrong_says_so_and_nothing_is_saved(
    client: Client, judge: Judge, adam: User, changes: dict[str, str], sentence: str
) -> None:
    client.force_login(adam)
    response = client.post(_settings(judge), _data(client, judge, description="new", **changes))
    assert response.status_code == 422
    assert sentence in response.content.decode()
    judge.refresh_from_db()
    assert judge.description == ""


def test_a_judge_of_numbers_has_bounds_for_its_sides(
    client: Client, team: Team, adam: User
) -> None:
    judge = create_judge(
        experiment=create_experiment(team=team), value_type=ValueType(kind=ValueKind.NUMBER)
    )
    client.force_login(adam)
    data = _data(client, judge, positive_from="7", negative_to="3")
    assert client.post(_settings(judge), data).status_code == 302
    judge.refresh_from_db()
    assert [judge.side_of(value) for value in (8.0, 5.0, 1.0)] == [
        Side.POSITIVE,
        Side.NEUTRAL,
        Side.NEGATIVE,
    ]
    response = client.post(_settings(judge), _data(client, judge, positive_from="1"))
    assert response.status_code == 422
    assert "must end below where the positive ones start" in response.content.decode()


def test_experts_and_leads_read_the_settings_and_cannot_change_them(
    client: Client, judge: Judge, alice: User, lena: User, olga: User
) -> None:
    for user in (alice, lena):
        client.force_login(user)
        assert "Only admins can change these" in client.get(_settings(judge)).content.decode()
        assert client.post(_settings(judge), _data(client, judge)).status_code == 403
    client.force_login(olga)
    assert client.get(_settings(judge)).status_code == 404


def test_the_page_about_models_shows_how_and_no_key(
    client: Client, judge: Judge, adam: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    client.force_login(adam)
    page = client.get(reverse("settings-models")).content.decode()
    for text in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANNOTATOR_DEFAULT_MODEL", "base URL"):
        assert text in page
    assert "not a language model" in page
    assert judge.name in page
    assert "very-secret" not in page


def test_the_page_about_models_names_no_judge_of_another_team(
    client: Client, judge: Judge, olga: User
) -> None:
    client.force_login(olga)
    assert judge.name not in client.get(reverse("settings-models")).content.decode()
