"""Jobs that were cancelled or lost, and taken up again by another worker."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import connection
from django.db.models import F

from annotator.demo.http_stub import StubServer
from annotator.models import (
    ActivityLog,
    Assessment,
    Experiment,
    Judge,
    JudgeJob,
    JudgeShard,
    Source,
    Trace,
    User,
    WorkStatus,
)
from annotator.services import leases
from annotator.services.jobs import cancel_job, execute_shard, job_progress, start_job
from tests.annotator.job_world import (
    GOOD_OR_POOR,
    Model,
    experiment,
    in_use,
    judge,
    make_traces,
    model,
    queued_job,
    statuses,
    verdict,
)
from tests.factories import create_judge
from tests.processes import eventually, worker_on_test_database

# a job is written from threads and from other processes, so that its rows have to be really there
pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["experiment", "judge", "model"]  # fixtures


@pytest.fixture
def held_back(model: Model) -> Iterator[tuple[Event, Event]]:
    """Two events: a call is in flight, and the model may answer."""
    asked, may_answer = Event(), Event()

    def wait(case: str) -> str:
        asked.set()
        assert may_answer.wait(30)
        return verdict()

    model.answer = wait
    yield asked, may_answer
    may_answer.set()


def in_a_worker(shard: JudgeShard) -> None:
    try:
        execute_shard(shard.pk)
    finally:
        connection.close()


def test_a_cancelled_job_begins_nothing_more_and_keeps_what_it_has(
    judge: Judge, experiment: Experiment, model: Model, adam: User, held_back, settings
) -> None:
    settings.LLM_CONCURRENCY = 2
    asked, may_answer = held_back
    job = queued_job(judge, make_traces(experiment, 20))
    running, waiting = job.shards.order_by("pk")
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(in_a_worker, running)
        assert asked.wait(30)
        cancel_job(actor=adam, job=job)
        waiting.refresh_from_db()
        assert waiting.status == WorkStatus.CANCELLED
        assert job_progress(job).is_live, "the calls in flight are still out"
        lease = JudgeShard.objects.filter(pk=running.pk, cancel_requested=True)
        assert lease.exists()
        # The worker looks at its row once a second, and nothing outside tells when it has.
        Event().wait(1.5 * leases.CANCEL_LOOK_SECONDS)
        may_answer.set()
        work.result()
    assert statuses(job) == {"CANCELLED": 2}
    progress = job_progress(job)
    assert len(model.prompts) == 2
    assert progress.done == Assessment.objects.verdicts().count() == 2
    assert progress.calls == 2
    row = ActivityLog.objects.get(action="cancelled")
    assert (row.actor, row.target_name) == (adam, judge.name)


def test_a_job_that_is_over_cannot_be_cancelled_any_more(
    judge: Judge, experiment: Experiment, adam: User
) -> None:
    job = start_job(actor=adam, version=in_use(judge), traces=make_traces(experiment, 1))
    cancel_job(actor=adam, job=job)
    assert job_progress(job).status == "SUCCEEDED"
    assert not ActivityLog.objects.filter(action="cancelled").exists()


def test_a_worker_that_lost_its_shard_to_another_writes_nothing(
    judge: Judge, experiment: Experiment, held_back
) -> None:
    asked, may_answer = held_back
    job = queued_job(judge, make_traces(experiment, 3))
    shard = job.shards.get()
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(in_a_worker, shard)
        assert asked.wait(30)
        JudgeShard.objects.filter(pk=shard.pk).update(attempt=F("attempt") + 1)
        may_answer.set()
        work.result()
    shard.refresh_from_db()
    assert (shard.status, shard.done, shard.calls) == (WorkStatus.RUNNING, 0, 0)
    assert not Assessment.objects.exists()


def test_a_shard_taken_up_again_asks_only_what_is_missing_and_counts_all(
    judge: Judge, experiment: Experiment, model: Model
) -> None:
    traces = make_traces(experiment, 6)
    job = queued_job(judge, traces)
    first_part = log_as_a_dead_worker(judge, traces[:2], job)
    failed = Trace.objects.get(pk=traces[2])
    failure = {"trace_id": failed.trace_id, "kind": "MalformedAnswerError", "error": "Hm."}
    job.shards.update(
        status=WorkStatus.RUNNING,
        attempt=1,
        lease_until=job.created_at,
        failures=[failure],
        calls=5,
        input_tokens=50,
        output_tokens=5,
        done=2,
    )
    execute_shard(job.shards.get().pk)
    progress = job_progress(job)
    assert (progress.status, progress.done, progress.failed) == ("SUCCEEDED", 5, 1)
    assert len(model.prompts) == 3
    assert progress.calls == 8
    assert progress.tokens > 55
    assert Assessment.objects.count() == 5
    assert Assessment.objects.verdicts().filter(pk__in=first_part).count() == 2


def log_as_a_dead_worker(judge: Judge, traces: list[int], job: JudgeJob) -> list[int]:
    """Verdicts that a worker has logged for the job before it died; their keys."""
    rows = [
        Assessment.objects.create(
            trace_id=pk,
            name=judge.name,
            source_type=Source.LLM_JUDGE,
            source_id="scripted:/model",
            judge_version=job.version,
            value="good",
            value_key="good",
        )
        for pk in traces
    ]
    return [row.pk for row in rows]


def test_a_done_shard_is_not_done_again(judge: Judge, experiment: Experiment, model: Model) -> None:
    job = start_job(actor=None, version=in_use(judge), traces=make_traces(experiment, 2))
    for shard in job.shards.all():
        execute_shard(shard.pk)
    assert len(model.prompts) == 2


def test_a_worker_killed_in_the_middle_loses_nothing_and_pays_twice_only_for_what_was_in_flight(
    experiment: Experiment, adam: User
) -> None:
    with StubServer(lambda _: verdict()) as stub:
        stub.latency_s = 0.2
        judge = create_judge(
            experiment=experiment,
            value_type=GOOD_OR_POOR,
            model="openai:/own-model",
            base_url=stub.base_url,
            alignment_policy="MANUAL",
        )
        traces = make_traces(experiment, 60)
        with worker_on_test_database(LLM_CONCURRENCY="3", ANNOTATOR_WORKERS="2") as worker:
            job = start_job(actor=adam, version=in_use(judge), traces=traces)
            verdicts = Assessment.objects.verdicts()
            assert eventually(lambda: verdicts.count() >= 9), worker.process.text
            halfway = job_progress(job)
            worker.kill()
            kept = verdicts.count()
            lost = stub.calls - kept
            worker.restart()
            assert eventually(lambda: statuses(job).keys() == {"SUCCEEDED"}), worker.process.text
        calls = stub.calls
    assert halfway.is_live
    assert 9 <= halfway.done <= kept < 60
    assert halfway.seconds_left
    assert calls - 60 <= lost
    assert Assessment.objects.count() == 60, "no verdict twice, not even in history"
    assert sorted(verdicts.values_list("trace_id", flat=True)) == traces
    progress = job_progress(job)
    assert (progress.done, progress.failed) == (60, 0)
    assert progress.cost is None, "nobody knows the price of an own model"
    assert 60 <= progress.calls <= calls
