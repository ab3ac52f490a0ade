"""A judge over the traces that come: a share of them, by itself, each once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotator.models import Judge, JudgeJob, JudgeShard, JudgeVersion, NewTraces, Team, Trace, User
from annotator.services import new_traces
from annotator.services.new_traces import NewTracesError, judge_new_traces, judge_what_came
from tests.factories import create_experiment, create_judge, create_trace, create_verdict

pytestmark = pytest.mark.django_db


@pytest.fixture
def judge(team: Team) -> Judge:
    return create_judge(experiment=create_experiment(team=team))


def _came(judge: Judge, count: int = 1, **fields: Any) -> list[Trace]:
    """Traces that came a minute after now, so that they are new to whatever was set before."""
    at = timezone.now() + timedelta(minutes=1)
    defaults: dict[str, Any] = {"requested_at": at, "created_at": at, **fields}
    return [create_trace(experiment=judge.experiment, **defaults) for _ in range(count)]


def _look() -> set[int]:
    """What is judged now: the traces of the jobs that this look started."""
    before = set(JudgeJob.objects.values_list("pk", flat=True))
    judge_what_came(now=timezone.now() + timedelta(minutes=2))
    shards = JudgeShard.objects.exclude(job__in=before)
    return {pk for traces in shards.values_list("trace_pks", flat=True) for pk in traces}


def _done() -> None:
    JudgeShard.objects.update(status="SUCCEEDED")


def test_what_comes_is_judged_once_and_what_was_there_before_is_not(
    judge: Judge, lena: User
) -> None:
    create_trace(experiment=judge.experiment)
    judge_new_traces(actor=lena, judge=judge, share=1)
    first = _came(judge, 3)
    assert _look() == {trace.pk for trace in first}
    _done()
    assert _look() == set()  # also without a verdict: what failed is not asked again and again
    second = _came(judge)
    assert _look() == {second[0].pk}


def test_a_share_is_drawn_the_same_whenever_one_looks(judge: Judge, lena: User) -> None:
    judge_new_traces(actor=lena, judge=judge, share=0.3)
    traces = _came(judge, 200)
    drawn = _look()
    assert 35 <= len(drawn) <= 85
    JudgeJob.objects.all().delete()
    assert _look() == drawn
    assert drawn < {trace.pk for trace in traces}


def test_the_filter_lets_through_what_it_says(judge: Judge, lena: User) -> None:
    judge_new_traces(actor=lena, judge=judge, share=1, filter="status = 'ERROR'")
    (failed,) = _came(judge, state="ERROR")
    _came(judge, 2)
    assert _look() == {failed.pk}


def test_a_trace_in_progress_waits_and_one_with_a_verdict_is_done(judge: Judge, lena: User) -> None:
    judge_new_traces(actor=lena, judge=judge, share=1)
    (running,) = _came(judge, state="IN_PROGRESS")
    (judged,) = _came(judge)
    create_verdict(judge=judge, trace=judged)
    assert _look() == set()
    Trace.objects.filter(pk=running.pk).update(state="OK")
    assert _look() == {running.pk}


def test_another_experiment_and_a_stopped_judge_are_left_alone(
    judge: Judge, lena: User, team: Team
) -> None:
    judge_new_traces(actor=lena, judge=judge, share=1)
    other = create_judge(experiment=create_experiment(team=team, name="Other"))
    _came(other)
    assert _look() == set()
    judge_new_traces(actor=lena, judge=judge, share=0)
    _came(judge)
    assert _look() == set()
    judge_new_traces(actor=lena, judge=judge, share=1)
    (since_then,) = _came(judge)
    assert since_then.pk in _look()


def test_a_running_job_is_waited_for(judge: Judge, lena: User) -> None:
    judge_new_traces(actor=lena, judge=judge, share=1)
    first = _came(judge)
    assert _look() == {first[0].pk}
    second = _came(judge)
    assert _look() == set()
    _done()
    assert _look() == {second[0].pk}


def test_a_filter_whose_author_is_gone_says_so(judge: Judge, lena: User) -> None:
    judge_new_traces(actor=lena, judge=judge, share=1, filter="status = 'OK'")
    NewTraces.objects.update(set_by=None)
    _came(judge)
    assert _look() == set()
    assert "set it anew" in NewTraces.objects.get().last_problem


@pytest.mark.parametrize(
    ("share", "filter", "field"),
    [(1.2, "", "share"), (0.5, "status LIKE", "filter"), (0.5, "x" * 2_001, "filter")],
)
def test_what_cannot_be_is_refused_by_its_field(
    judge: Judge, lena: User, share: float, filter: str, field: str
) -> None:
    with pytest.raises(NewTracesError) as refusal:
        judge_new_traces(actor=lena, judge=judge, share=share, filter=filter)
    assert refusal.value.field == field


def test_a_judge_that_cannot_run_here_is_refused_with_the_reason(judge: Judge, lena: User) -> None:
    JudgeVersion.objects.filter(judge=judge).update(not_runnable="It needs a memory.")
    judge.refresh_from_db()
    with pytest.raises(NewTracesError, match="It needs a memory"):
        judge_new_traces(actor=lena, judge=judge, share=1)
    JudgeVersion.objects.filter(judge=judge).update(not_runnable="", model="")
    judge.refresh_from_db()
    with pytest.raises(NewTracesError, match="no model yet"):
        judge_new_traces(actor=lena, judge=judge, share=1)


def test_no_more_than_a_job_holds_is_taken_at_once(judge: Judge, lena: User) -> None:
    judge_new_traces(actor=lena, judge=judge, share=1)
    at = timezone.now() + timedelta(minutes=1)
    Trace.objects.bulk_create(
        Trace(
            experiment=judge.experiment,
            trace_id=f"tr-many-{number}",
            requested_at=at,
            created_at=at,
        )
        for number in range(new_traces.MOST_AT_ONCE + 20)
    )
    assert len(_look()) == new_traces.MOST_AT_ONCE
    _done()
    assert len(_look()) == 20


def test_a_lead_sets_it_on_the_page_and_reads_what_holds(
    client: Client, judge: Judge, lena: User
) -> None:
    client.force_login(lena)
    page = reverse("judge-run", args=[judge.pk])
    address = reverse("judge-new-traces", args=[judge.pk])
    assert "New traces wait until" in client.get(page).content.decode()
    said = client.post(address, {"percent": "25", "filter": ""}, follow=True).content.decode()
    assert "25% of the traces that come" in said
    assert "25 % of the new traces are judged by itself" in said
    refused = client.post(address, {"percent": "25", "filter": "status ="}, follow=True)
    assert NewTraces.objects.get().filter == ""
    assert "notice-error" in refused.content.decode() or "message" in refused.content.decode()
    client.post(address, {"percent": "120", "filter": ""})
    assert NewTraces.objects.get().share == 0.25
