"""A judge run over traces: the form that starts it, its page, and its end."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotator.models import Judge, JudgeJob, Team, User, WorkStatus
from tests.factories import create_experiment, create_judge, create_trace, create_verdict

HTMX = {"HX-Request": "true"}


@pytest.fixture
def judge(team: Team) -> Judge:
    return create_judge(experiment=create_experiment(team=team))


def _start(client: Client, judge: Judge, **data: Any) -> JudgeJob:
    response = client.post(reverse("judge-run", args=[judge.pk]), data)
    assert response.status_code == 302, response.content.decode()
    job = JudgeJob.objects.get()
    assert response["Location"] == reverse("job-detail", args=[job.pk])
    return job


def _traces(job: JudgeJob) -> set[int]:
    return {pk for shard in job.shards.all() for pk in shard.trace_pks}


def test_a_lead_runs_it_over_all_traces_of_the_experiment(
    client: Client, judge: Judge, lena: User
) -> None:
    traces = [create_trace(experiment=judge.experiment) for _ in range(3)]
    create_trace()
    client.force_login(lena)
    job = _start(client, judge, scope="all")
    assert _traces(job) == {trace.pk for trace in traces}
    assert (job.created_by, job.version) == (lena, judge.current_version)


def test_only_traces_without_a_verdict_of_this_version(
    client: Client, judge: Judge, lena: User
) -> None:
    judged, unjudged = (create_trace(experiment=judge.experiment) for _ in range(2))
    create_verdict(judge=judge, trace=judged)
    client.force_login(lena)
    assert _traces(_start(client, judge, scope="missing")) == {unjudged.pk}


@pytest.mark.parametrize("scope", [{"scope": "selected"}, {}])
def test_selected_traces_of_the_experiment(
    client: Client, judge: Judge, lena: User, scope: dict[str, str]
) -> None:
    chosen = create_trace(experiment=judge.experiment)
    create_trace(experiment=judge.experiment)
    foreign = create_trace()
    client.force_login(lena)
    job = _start(client, judge, trace=[chosen.trace_id, foreign.trace_id, "tr-none", "\0"], **scope)
    assert _traces(job) == {chosen.pk}
    assert job.selection == "1 selected trace"


def test_a_refused_choice_stays_chosen_and_a_choice_without_traces_is_none(
    client: Client, judge: Judge, lena: User
) -> None:
    create_verdict(judge=judge, trace=create_trace(experiment=judge.experiment))
    client.force_login(lena)
    url = reverse("judge-run", args=[judge.pk])
    assert client.get(url).context["scope"] == "all"
    assert client.post(url, {"scope": "missing"}).context["scope"] == "missing"


def test_filtered_traces_are_those_the_list_shows(client: Client, judge: Judge, lena: User) -> None:
    parcel = create_trace(experiment=judge.experiment, question="Where is my parcel?")
    create_trace(experiment=judge.experiment, question="Can I pay later?", answer="Yes.")
    client.force_login(lena)
    url = reverse("judge-run", args=[judge.pk])
    page = client.get(url, {"q": "parcel"})
    assert page.context["choices"][0]["total"] == 1
    assert 'name="filter" value="q=parcel"' in page.content.decode()
    assert _traces(_start(client, judge, scope="filtered", filter="q=parcel")) == {parcel.pk}


def test_a_filter_never_reaches_into_another_experiment(
    client: Client, judge: Judge, team: Team, lena: User
) -> None:
    create_trace(experiment=judge.experiment)
    other = create_trace(experiment=create_experiment(team=team))
    client.force_login(lena)
    query = f"experiment={other.experiment_id}&q=parcel"
    job = _start(client, judge, scope="filtered", filter=query)
    assert other.pk not in _traces(job)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "Choose which traces"),
        ({"scope": "everything"}, "Choose which traces"),
        ({"scope": "selected"}, "There is no trace in this selection"),
        ({"scope": "filtered", "filter": "q=unicorn"}, "There is no trace in this selection"),
    ],
)
def test_a_selection_without_traces_says_so(
    client: Client, judge: Judge, lena: User, data: dict[str, str], sentence: str
) -> None:
    create_trace(experiment=judge.experiment)
    client.force_login(lena)
    response = client.post(reverse("judge-run", args=[judge.pk]), data)
    assert response.status_code == 422
    assert sentence in response.content.decode()


def test_a_second_job_of_the_same_version_is_refused_with_a_sentence(
    client: Client, judge: Judge, lena: User
) -> None:
    create_trace(experiment=judge.experiment)
    client.force_login(lena)
    _start(client, judge, scope="all")
    response = client.post(reverse("judge-run", args=[judge.pk]), {"scope": "all"})
    assert response.status_code == 422
    assert "already running over traces" in response.content.decode()


def test_experts_run_no_judge_and_read_the_job(
    client: Client, judge: Judge, lena: User, alice: User, olga: User
) -> None:
    create_trace(experiment=judge.experiment)
    client.force_login(lena)
    job = _start(client, judge, scope="all")
    run, page, cancel = (
        reverse("judge-run", args=[judge.pk]),
        reverse("job-detail", args=[job.pk]),
        reverse("job-cancel", args=[job.pk]),
    )
    client.force_login(alice)
    assert client.get(run).status_code == 403
    assert client.post(run, {"scope": "all"}).status_code == 403
    assert client.post(cancel).status_code == 403
    assert cancel not in client.get(page).content.decode()
    client.force_login(olga)
    assert client.get(page).status_code == 404
    client.force_login(lena)
    assert client.get(cancel).status_code == 405
    assert client.get(reverse("job-detail", args=[10**20])).status_code == 404


def test_a_live_job_is_polled_and_shows_no_price_as_unknown(
    client: Client, judge: Judge, lena: User
) -> None:
    create_trace(experiment=judge.experiment)
    client.force_login(lena)
    job = _start(client, judge, scope="all")
    job.shards.update(status=WorkStatus.RUNNING, calls=3, input_tokens=1200)
    part = client.get(reverse("job-detail", args=[job.pk]), headers=HTMX).content.decode()
    assert "<html" not in part
    assert 'hx-trigger="every 2s"' in part
    assert "unknown price" in part
    assert "1,200" in part


def test_a_finished_job_is_polled_no_more_and_lists_its_failures(
    client: Client, judge: Judge, lena: User
) -> None:
    trace = create_trace(experiment=judge.experiment)
    client.force_login(lena)
    job = _start(client, judge, scope="all")
    failure = {"trace_id": trace.trace_id, "kind": "X", "error": "The answer was <nothing>."}
    job.shards.update(status=WorkStatus.SUCCEEDED, failures=[failure], cost=0.5, calls=1)
    page = client.get(reverse("job-detail", args=[job.pk])).content.decode()
    assert "every 2s" not in page
    assert "The answer was &lt;nothing&gt;." in page
    assert reverse("trace-detail", args=[trace.trace_id]) in page
    assert "$0.50" in page


def test_a_lead_cancels_a_job(client: Client, judge: Judge, lena: User) -> None:
    create_trace(experiment=judge.experiment)
    client.force_login(lena)
    job = _start(client, judge, scope="all")
    page = client.post(reverse("job-cancel", args=[job.pk]), follow=True).content.decode()
    assert "cancelled" in page
    assert job.shards.get().status == WorkStatus.CANCELLED
