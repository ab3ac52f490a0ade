"""The form that starts an alignment run by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotator.models import AlignmentRun, Judge, Role, Team, User, WorkStatus
from annotator.services.jobs import start_job
from tests.annotator.run_rows import create_run, finished_run
from tests.factories import (
    create_experiment,
    create_feedback,
    create_judge,
    create_team,
    create_trace,
    create_user,
    create_verdict,
)


@pytest.fixture
def judge(team: Team) -> Judge:
    return create_judge(experiment=create_experiment(team=team))


def _ready(judge: Judge, author: User) -> None:
    for number, value in enumerate(["good"] * 6 + ["poor"] * 6):
        trace = create_trace(experiment=judge.experiment, inputs={"question": f"Question {number}"})
        create_verdict(judge=judge, trace=trace, value="good")
        create_feedback(judge=judge, trace=trace, author=author, value=value)


def test_a_run_is_started_with_the_optimizer_options_and_seed_of_choice(
    client: Client, judge: Judge, alice: User, adam: User
) -> None:
    _ready(judge, alice)
    client.force_login(adam)
    data = {
        "optimizer": "simba",
        "optimizer_model": "demo:/judge",
        "option_simba_steps": "2",
        "option_simba_candidates": "",
        "option_simba_batch_size": "16",
        "option_simba_demonstrations": "0",
        "seed": "7",
    }
    response = client.post(reverse("run-start", args=[judge.pk]), data)
    run = AlignmentRun.objects.get()
    assert response["Location"] == reverse("run-detail", args=[run.pk])
    assert (run.optimizer, run.params, run.seed, run.started_by) == ("simba", {"steps": 2}, 7, adam)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"option_simba_steps": "0"}, "steps must be a whole number of at least 1"),
        ({"option_simba_steps": "many"}, "Enter a whole number."),
        ({"optimizer": "magic"}, "Select a valid choice."),
        ({"seed": ""}, "This field is required."),
    ],
)
def test_options_that_are_wrong_come_back_as_a_sentence(
    client: Client, judge: Judge, alice: User, adam: User, changes: dict[str, str], sentence: str
) -> None:
    _ready(judge, alice)
    client.force_login(adam)
    data = {"optimizer": "simba", "seed": "0", **changes}
    response = client.post(reverse("run-start", args=[judge.pk]), data)
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not AlignmentRun.objects.exists()


def test_too_little_feedback_says_what_is_missing(client: Client, judge: Judge, adam: User) -> None:
    client.force_login(adam)
    url = reverse("run-start", args=[judge.pk])
    assert "The feedback does not suffice yet" in client.get(url).content.decode()
    response = client.post(url, {"optimizer": "simba", "seed": "0"})
    assert response.status_code == 422
    assert (
        "Not enough feedback to align: 3 more positive; 3 more negative"
        in response.content.decode()
    )


def test_a_run_under_way_keeps_another_from_starting(
    client: Client, judge: Judge, alice: User, adam: User
) -> None:
    _ready(judge, alice)
    create_run(judge)
    client.force_login(adam)
    url = reverse("run-start", args=[judge.pk])
    assert "A run is under way" in client.get(url).content.decode()
    response = client.post(url, {"optimizer": "simba", "seed": "0"})
    assert response.status_code == 422
    assert "A run of this judge is under way" in response.content.decode()


def test_starting_again_fills_in_what_the_earlier_run_had(
    client: Client, judge: Judge, adam: User
) -> None:
    run = finished_run(judge, params={"steps": 3}, seed=5)
    client.force_login(adam)
    form = client.get(reverse("run-start", args=[judge.pk]), {"from": run.pk}).context["form"]
    assert (form["option_simba_steps"].value(), form["seed"].value()) == (3, 5)


def test_only_admins_start_runs(
    client: Client, judge: Judge, alice: User, lena: User, olga: User
) -> None:
    url = reverse("run-start", args=[judge.pk])
    for user in (alice, lena, olga):
        client.force_login(user)
        assert client.get(url).status_code == 403
        assert client.post(url, {}).status_code == 403
    client.force_login(create_user(team=create_team(), role=Role.ADMIN))
    assert client.get(url).status_code == 404


def _settings(**changes: str) -> dict[str, str]:
    filled = {
        "optimizer": "simba",
        "optimizer_model": "",
        "seed": "0",
        "max_calls": "",
        "max_cost": "",
    }
    return filled | changes


def test_the_page_says_what_the_run_takes_before_it_starts(
    client: Client, judge: Judge, alice: User, adam: User
) -> None:
    _ready(judge, alice)
    client.force_login(adam)
    page = client.get(reverse("run-start", args=[judge.pk])).content.decode()
    assert "Model calls" in page
    assert "at most" in page
    assert "$0.00" in page  # the demo model costs nothing
    assert "known after the first job or run" in page


def test_the_estimate_follows_the_form_and_starts_nothing(
    client: Client, judge: Judge, alice: User, adam: User
) -> None:
    _ready(judge, alice)
    client.force_login(adam)
    address = reverse("run-start", args=[judge.pk])
    ask = _settings(estimate="1", max_calls="3", optimizer_model="openai:/nobody-knows")
    part = client.post(address, ask, headers={"HX-Request": "true"})
    text = part.content.decode()
    assert part.status_code == 200
    assert text.lstrip().startswith("<section")
    assert "more than the 3 calls allowed" in text
    assert "unknown price" in text
    page = client.post(address, ask)  # the same without JavaScript
    assert "more than the 3 calls allowed" in page.content.decode()
    assert 'value="3"' in page.content.decode()
    assert not AlignmentRun.objects.exists()


def test_a_budget_in_money_asks_for_a_known_price(
    client: Client, judge: Judge, alice: User, adam: User
) -> None:
    _ready(judge, alice)
    client.force_login(adam)
    ask = _settings(estimate="1", max_cost="2.5", optimizer_model="openai:/nobody-knows")
    text = client.post(reverse("run-start", args=[judge.pk]), ask).content.decode()
    assert "a budget in money cannot be kept" in text


def test_the_time_comes_from_earlier_runs_with_the_same_models(
    client: Client, judge: Judge, alice: User, adam: User
) -> None:
    _ready(judge, alice)
    began = timezone.now() - timedelta(hours=2)
    create_run(
        judge, status=WorkStatus.SUCCEEDED, calls=100, started_at=began, finished_at=began + timedelta(minutes=10)
    )  # fmt: skip
    client.force_login(adam)
    page = client.get(reverse("run-start", args=[judge.pk])).content.decode()
    assert "known after the first job or run" not in page
    assert "hour" in page or "minutes at most" in page


def test_before_the_first_run_the_time_comes_from_verdicts_of_the_same_model(
    client: Client, judge: Judge, alice: User, adam: User
) -> None:
    _ready(judge, alice)
    assert judge.current_version is not None
    trace = judge.experiment.traces.earliest("pk")
    job = start_job(actor=adam, version=judge.current_version, traces=[trace.pk])
    began = timezone.now() - timedelta(hours=2)
    job.shards.update(
        status=WorkStatus.SUCCEEDED, calls=100, started_at=began, finished_at=began + timedelta(minutes=10)
    )  # fmt: skip
    client.force_login(adam)
    page = client.get(reverse("run-start", args=[judge.pk])).content.decode()
    assert "known after the first" not in page
    assert "hour" in page or "minutes at most" in page


def test_a_run_is_held_to_the_budget_given_to_it(
    client: Client, judge: Judge, alice: User, adam: User
) -> None:
    _ready(judge, alice)
    client.force_login(adam)
    client.post(reverse("run-start", args=[judge.pk]), _settings(max_calls="500", max_cost="1.5"))
    run = AlignmentRun.objects.get()
    assert (run.policy["max_calls"], run.policy["max_cost"]) == (500, 1.5)
