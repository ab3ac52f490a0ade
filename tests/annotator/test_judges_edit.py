"""Judges made, edited, and tried before they are saved."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from alignment.sides import Side
from annotator.models import (
    ActivityLog,
    Experiment,
    Judge,
    JudgeTrial,
    Membership,
    Role,
    Team,
    User,
    WorkStatus,
)
from judges.values import ValueKind
from tests.factories import create_experiment, create_judge, create_team, create_trace, create_user

CREATE, TRY = reverse("judge-create"), reverse("judge-try")
HTMX = {"HX-Request": "true"}


@pytest.fixture
def experiment(team: Team) -> Experiment:
    return create_experiment(team=team, name="Shop")


@pytest.fixture
def judge(experiment: Experiment) -> Judge:
    return create_judge(experiment=experiment)


def _data(experiment: Experiment, **changes: Any) -> dict[str, Any]:
    return {
        "experiment": experiment.pk,
        "name": "tone",
        "instructions": "Is {{ outputs }} friendly?",
        "value_kind": "BOOLEAN",
        "model": "demo:/judge",
        **changes,
    }


def _made(client: Client, experiment: Experiment, **changes: Any) -> Judge:
    response = client.post(CREATE, _data(experiment, **changes))
    assert response.status_code == 302, response.content.decode()
    return Judge.objects.get(name="tone")


def test_an_admin_makes_a_judge_with_its_first_version(
    client: Client, experiment: Experiment, adam: User
) -> None:
    client.force_login(adam)
    judge = _made(client, experiment, description="Tone of the answer.")
    assert judge.current_version is not None
    assert judge.current_version.number == 1
    assert judge.current_version.created_by == adam
    assert judge.description == "Tone of the answer."
    assert ActivityLog.objects.filter(action="created", actor=adam).exists()


@pytest.mark.parametrize(
    ("changes", "kind", "described"),
    [
        ({}, ValueKind.BOOLEAN, "true or false"),
        (
            {"value_kind": "CATEGORY", "categories": "good\r\n\r\nfair\r\npoor", "ordered": "on"},
            ValueKind.CATEGORY,
            "one of: good, fair, poor",
        ),
        (
            {"value_kind": "INTEGER", "minimum": "1", "maximum": "5"},
            ValueKind.INTEGER,
            "a whole number from 1 to 5",
        ),
        ({"value_kind": "NUMBER", "minimum": "0.5"}, ValueKind.NUMBER, "a number of at least 0.5"),
        ({"value_kind": "TEXT"}, ValueKind.TEXT, "text"),
    ],
)
def test_every_kind_of_verdict_can_be_chosen(
    client: Client,
    experiment: Experiment,
    adam: User,
    changes: dict[str, str],
    kind: ValueKind,
    described: str,
) -> None:
    client.force_login(adam)
    value_type = _made(client, experiment, **changes).value_type
    assert (value_type.kind, value_type.describe()) == (kind, described)


@pytest.mark.parametrize(
    ("changes", "value", "side"),
    [
        ({"yes_is": "NEGATIVE"}, True, Side.NEGATIVE),
        (
            {"value_kind": "CATEGORY", "categories": "ja\nnein", "good": "nein", "bad": "ja"},
            "ja",
            Side.NEGATIVE,
        ),
        ({"value_kind": "CATEGORY", "categories": "good\npoor"}, "poor", Side.NEGATIVE),
        ({"value_kind": "NUMBER", "good": "4", "bad": "2"}, 4.5, Side.POSITIVE),
    ],
)
def test_sides_are_those_written_down_or_a_first_guess(
    client: Client,
    experiment: Experiment,
    adam: User,
    changes: dict[str, str],
    value: Any,
    side: Side,
) -> None:
    client.force_login(adam)
    assert _made(client, experiment, **changes).side_of(value) is side


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": ""}, "Write a name."),
        ({"instructions": ""}, "Write the instructions."),
        ({"model": ""}, "Name a model."),
        ({"instructions": "Is it friendly?"}, "The instructions must say what to judge"),
        ({"instructions": "Is {{ answer }} friendly?"}, "which no case has"),
        ({"instructions": "Is {{ name }} friendly?"}, "which no case has"),
        ({"model": "gpt"}, "is not the address of a model"),
        ({"value_kind": "CATEGORY", "categories": "good"}, "at least two categories"),
        ({"value_kind": "CATEGORY", "categories": "good\nGood"}, "is there twice"),
        (
            {"value_kind": "CATEGORY", "categories": "\n".join(map(str, range(60)))},
            "at most 50 can be shown",
        ),
        (
            {"value_kind": "INTEGER", "minimum": "5", "maximum": "1"},
            "The lowest allowed number must be below the highest.",
        ),
        ({"value_kind": "NUMBER", "minimum": "nan"}, "Enter a number."),
        ({"value_kind": "COLOUR"}, "Select a valid choice."),
        (
            {"value_kind": "CATEGORY", "categories": "a\nb", "good": "c"},
            "“c” is none of the values above",
        ),
        (
            {"value_kind": "CATEGORY", "categories": "a\nb", "good": "a", "bad": "a"},
            "named as good and as bad",
        ),
        ({"value_kind": "NUMBER", "good": "high"}, "Write the number from which on"),
        ({"inference_params": "{"}, "This is no JSON."),
        ({"inference_params": "[1]"}, "Write a JSON object in braces"),
        ({"inference_params": "[" * 100_000}, "Ensure this value has at most 10000 characters"),
        ({"base_url": "ftp://x"}, "The base URL must be a text that begins with http"),
        ({"extra_headers": '{"a": 1}'}, "The extra headers must be a dict of texts"),
        ({"instructions": "\x00{{ outputs }}"}, "Null characters are not allowed."),
    ],
)
def test_what_is_wrong_comes_back_as_a_sentence_with_the_form(
    client: Client, experiment: Experiment, adam: User, changes: dict[str, str], sentence: str
) -> None:
    client.force_login(adam)
    response = client.post(CREATE, _data(experiment, **changes))
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not Judge.objects.exists()


def test_a_name_that_is_taken_says_so(
    client: Client, experiment: Experiment, judge: Judge, adam: User
) -> None:
    client.force_login(adam)
    response = client.post(CREATE, _data(experiment, name=judge.name))
    assert response.status_code == 422
    assert "already has a judge" in response.content.decode()


def test_without_an_experiment_one_is_told_to_bring_in_traces(client: Client, adam: User) -> None:
    client.force_login(adam)
    response = client.get(CREATE)
    assert response.status_code == 403
    assert "There is no experiment yet" in response.content.decode()


@pytest.mark.parametrize("number", ["x", "0", "9" * 40, "-1"])
def test_an_experiment_that_is_not_there_gets_404(
    client: Client, experiment: Experiment, adam: User, number: str
) -> None:
    client.force_login(adam)
    assert client.get(CREATE, {"experiment": number}).status_code == 404


def test_an_edit_makes_a_version_and_puts_it_in_use(
    client: Client, judge: Judge, adam: User
) -> None:
    client.force_login(adam)
    first = judge.current_version
    assert first is not None
    data = _data(judge.experiment, instructions="Be strict.\r\n{{ outputs }}", note="Stricter.")
    response = client.post(reverse("judge-edit", args=[judge.pk]), data)
    assert response.status_code == 302
    judge.refresh_from_db()
    version = judge.current_version
    assert version is not None
    assert (version.number, version.parent, version.note) == (2, first, "Stricter.")
    assert version.instructions == "Be strict.\n{{ outputs }}"
    assert judge.name == "quality"
    first.refresh_from_db()
    assert first.instructions.startswith("Grade the answer.")


def test_the_form_of_an_edit_holds_the_present_version_and_not_the_name(
    client: Client, judge: Judge, adam: User
) -> None:
    client.force_login(adam)
    page = client.get(reverse("judge-edit", args=[judge.pk])).content.decode()
    assert "Grade the answer. Question: {{ inputs }}" in page
    assert 'name="name"' not in page


def test_saving_the_form_as_it_came_makes_no_version(
    client: Client, judge: Judge, adam: User
) -> None:
    client.force_login(adam)
    url = reverse("judge-edit", args=[judge.pk])
    form = client.get(url).context["form"]
    data = {name: form[name].value() or "" for name in form.fields}
    response = client.post(url, {**data, "ordered": "on"})
    assert response.status_code == 422
    assert "Nothing was changed" in response.content.decode()
    assert judge.versions.count() == 1


def test_an_earlier_version_can_be_edited_anew(client: Client, judge: Judge, adam: User) -> None:
    client.force_login(adam)
    url = reverse("judge-edit", args=[judge.pk])
    client.post(url, _data(judge.experiment, instructions="Second {{ outputs }}"))
    assert "Grade the answer." in client.get(url, {"from": "1"}).content.decode()
    assert client.get(url, {"from": "9"}).status_code == 404


def test_only_admins_of_the_team_make_and_edit(
    client: Client, judge: Judge, alice: User, lena: User
) -> None:
    edit = reverse("judge-edit", args=[judge.pk])
    for user in (alice, lena):
        client.force_login(user)
        for url in (CREATE, edit):
            assert client.get(url).status_code == 403
            assert client.post(url, _data(judge.experiment)).status_code == 403
        assert client.post(TRY, _data(judge.experiment)).status_code == 403
    oscar = create_user(username="oscar", team=create_team(name="Sales"), role=Role.ADMIN)
    client.force_login(oscar)
    assert client.get(edit).status_code == 404
    assert client.post(CREATE, _data(judge.experiment)).status_code == 404
    assert client.post(TRY, _data(judge.experiment, judge=judge.pk)).status_code == 404


def test_an_admin_of_one_team_who_is_an_expert_of_another_cannot_edit_there(
    client: Client, judge: Judge, alice: User
) -> None:
    Membership.objects.create(user=alice, team=create_team(name="Sales"), role=Role.ADMIN)
    client.force_login(alice)
    assert client.get(reverse("judge-edit", args=[judge.pk])).status_code == 403
    assert client.post(CREATE, _data(judge.experiment)).status_code == 403


def test_trying_takes_the_newest_five_traces_and_saves_nothing(
    client: Client, judge: Judge, adam: User
) -> None:
    traces = [create_trace(experiment=judge.experiment) for _ in range(7)]
    client.force_login(adam)
    data = _data(judge.experiment, judge=judge.pk, instructions="Tried only: {{ outputs }}")
    response = client.post(TRY, data, headers=HTMX)
    assert response.status_code == 200
    trial = JudgeTrial.objects.get()
    assert trial.trace_pks == [trace.pk for trace in reversed(traces[2:])]
    assert trial.definition["instructions"] == "Tried only: {{ outputs }}"
    assert trial.definition["name"] == judge.name
    assert "<html" not in response.content.decode()
    assert reverse("judge-trial", args=[trial.pk]) in response.content.decode()
    assert judge.versions.count() == 1


def test_traces_can_be_chosen_but_not_those_of_another_experiment(
    client: Client, judge: Judge, adam: User
) -> None:
    chosen = create_trace(experiment=judge.experiment)
    create_trace(experiment=judge.experiment)
    foreign = create_trace()
    client.force_login(adam)
    data = _data(judge.experiment, judge=judge.pk, trace=[chosen.trace_id, foreign.trace_id])
    client.post(TRY, data, headers=HTMX)
    assert JudgeTrial.objects.get().trace_pks == [chosen.pk]


def test_a_form_that_is_wrong_is_not_tried_and_says_why(
    client: Client, judge: Judge, adam: User
) -> None:
    client.force_login(adam)
    response = client.post(TRY, _data(judge.experiment, model="gpt"), headers=HTMX)
    assert response.status_code == 422
    assert "Model: “gpt” is not the address of a model" in response.content.decode()
    assert not JudgeTrial.objects.exists()


def test_without_traces_there_is_nothing_to_try_on(
    client: Client, experiment: Experiment, adam: User
) -> None:
    client.force_login(adam)
    response = client.post(TRY, _data(experiment), headers=HTMX)
    assert response.status_code == 422
    assert "no trace to try the judge on" in response.content.decode()


def test_without_javascript_the_form_keeps_its_contents_and_can_look_again(
    client: Client, judge: Judge, adam: User
) -> None:
    create_trace(experiment=judge.experiment)
    client.force_login(adam)
    data = _data(judge.experiment, judge=judge.pk, instructions="Unsaved {{ outputs }}", note="why")
    page = client.post(TRY, data).content.decode()
    assert "Unsaved {{ outputs }}" in page
    trial = JudgeTrial.objects.get()
    assert f'name="trial" value="{trial.pk}"' in page
    client.post(TRY, {**data, "trial": trial.pk, "look_again": "1"})
    assert JudgeTrial.objects.count() == 1


def _finished(judge: Judge, user: User, **changes: Any) -> JudgeTrial:
    assert judge.current_version is not None
    result = {
        "trace_id": "tr-1",
        "preview": "Where is it?",
        "value": "good",
        "rationale": "It <i>answers</i>.",
        "error": "",
    }
    return JudgeTrial.objects.create(
        **{
            "judge": judge,
            "created_by": user,
            "definition": judge.current_version.to_domain().to_dict(),
            "trace_pks": [1],
            "results": [result],
            "status": WorkStatus.SUCCEEDED,
            **changes,
        }
    )


def test_results_show_value_and_reason_and_polling_stops(
    client: Client, judge: Judge, adam: User
) -> None:
    trial = _finished(judge, adam)
    client.force_login(adam)
    url = reverse("judge-trial", args=[trial.pk])
    part = client.get(url, headers=HTMX).content.decode()
    assert "<strong>good</strong>" in part
    assert "It &lt;i&gt;answers&lt;/i&gt;." in part
    assert "demo model" in part
    assert "hx-trigger" not in part
    assert "<html" in client.get(url).content.decode()


def test_a_trial_that_failed_shows_the_sentence(client: Client, judge: Judge, adam: User) -> None:
    trial = _finished(
        judge, adam, status=WorkStatus.FAILED, results=[], error_text="The key is missing."
    )
    client.force_login(adam)
    part = client.get(reverse("judge-trial", args=[trial.pk]), headers=HTMX).content.decode()
    assert "The key is missing." in part
    assert "hx-trigger" not in part


def test_a_trial_is_its_starters_alone(
    client: Client, judge: Judge, adam: User, lena: User
) -> None:
    trial = _finished(judge, adam)
    client.force_login(lena)
    assert client.get(reverse("judge-trial", args=[trial.pk])).status_code == 404


def test_trying_is_a_post(client: Client, adam: User) -> None:
    client.force_login(adam)
    assert client.get(TRY).status_code == 405
