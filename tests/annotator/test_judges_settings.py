"""A judge's policies, its guideline, and the page about models."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from alignment.sides import Side
from annotator.models import ActivityLog, Judge, Label, Role, Team, User
from judges.values import ValueKind, ValueType
from tests.factories import (
    create_experiment,
    create_feedback,
    create_judge,
    create_team,
    create_trace,
    create_user,
)


@pytest.fixture
def judge(team: Team) -> Judge:
    return create_judge(experiment=create_experiment(team=team))


def _settings(judge: Judge) -> str:
    return reverse("judge-settings", args=[judge.pk])


def _guideline(judge: Judge) -> str:
    return reverse("judge-guideline", args=[judge.pk])


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
        ({"label_rule": "ADJUDICATED"}, "Name the person whose answer settles the label."),
        ({"label_rule": "COIN"}, "Select a valid choice."),
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


def test_every_rule_says_beforehand_what_it_would_do_to_the_labels(
    client: Client, judge: Judge, team: Team, alice: User, adam: User
) -> None:
    others = [create_user(team=team) for _ in range(2)]
    trace = create_trace(experiment=judge.experiment)
    for author, value in zip([alice, *others], ["good", "good", "poor"], strict=True):
        create_feedback(judge=judge, trace=trace, author=author, value=value)
    client.force_login(adam)
    page = client.get(_settings(judge)).content.decode()
    assert "1 label, as now." in page
    assert "1 now, 0 labels then: 1 lost." in page
    assert Label.objects.count() == 1
    client.post(_settings(judge), _data(client, judge, label_rule="UNANIMOUS"))
    assert Label.objects.count() == 0


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


def test_a_lead_writes_the_guideline_and_every_save_is_a_version(
    client: Client, judge: Judge, lena: User, alice: User
) -> None:
    client.force_login(lena)
    assert "Write the guideline" in client.get(_guideline(judge)).content.decode()
    first = {"text": "Read it **twice**.", "when_0": "All is there.", "when_3": "  "}
    assert client.post(_guideline(judge), first).status_code == 302
    client.post(_guideline(judge), {"text": "Read it once.", "when_0": "All is there."})
    judge.refresh_from_db()
    assert judge.guideline is not None
    assert (judge.guideline.number, judge.guideline.created_by) == (2, lena)
    assert judge.guideline.choose_when == {"excellent": "All is there."}
    client.force_login(alice)
    page = client.get(_guideline(judge)).content.decode()
    assert "Read it once." in page
    assert "<textarea" not in page
    assert "<strong>twice</strong>" in client.get(_guideline(judge), {"number": 1}).content.decode()


def test_a_guideline_cannot_carry_scripts(client: Client, judge: Judge, lena: User) -> None:
    client.force_login(lena)
    client.post(_guideline(judge), {"text": "<script>x()</script>", "when_0": "<img src=x>"})
    page = client.get(_guideline(judge)).content.decode()
    assert "<script>x()" not in page
    assert "<img" not in page


def test_saving_an_unchanged_guideline_says_so(client: Client, judge: Judge, lena: User) -> None:
    client.force_login(lena)
    client.post(_guideline(judge), {"text": "Same."})
    response = client.post(_guideline(judge), {"text": "Same."})
    assert response.status_code == 422
    assert "Nothing was changed" in response.content.decode()


def test_experts_cannot_write_the_guideline_and_strangers_cannot_read_it(
    client: Client, judge: Judge, alice: User, olga: User
) -> None:
    client.force_login(alice)
    assert client.post(_guideline(judge), {"text": "Mine."}).status_code == 403
    assert client.get(_guideline(judge), {"number": "9" * 30}).status_code == 404
    client.force_login(olga)
    assert client.get(_guideline(judge)).status_code == 404


def test_a_lead_elsewhere_cannot_write_it(client: Client, judge: Judge) -> None:
    outsider = create_user(team=create_team(), role=Role.LEAD)
    client.force_login(outsider)
    assert client.post(_guideline(judge), {"text": "Mine."}).status_code == 404


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
