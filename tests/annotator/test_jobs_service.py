"""A judge over many traces: shared by workers, taken up again, stopped, and counted truly."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from alignment import plugins
from annotator.models import (
    ActivityLog,
    Assessment,
    Experiment,
    Judge,
    JudgeJob,
    JudgeShard,
    Kind,
    Source,
    Trace,
    User,
    Worker,
    WorkStatus,
)
from annotator.services import jobs
from annotator.services.jobs import JobError, job_progress, start_job
from annotator.services.judges import edit_judge
from annotator.services.judging import UnforeseenError, judge_traces
from judges.calls import ModelCall, Reply
from judges.entities import Feedback
from judges.errors import ProviderAuthError, ProviderRequestError
from judges.llm import Gateway, register_local_provider
from tests.annotator.job_world import (
    GOOD_OR_POOR,
    SENTENCE,
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
from tests.annotator.tagged_world import AddsARule, create_tagged_judge, respond
from tests.factories import create_feedback, create_judge, create_trace
from tests.processes import worker_on_test_database

# a job is written from threads and from other processes, so that its rows have to be really there
pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["experiment", "judge", "model"]  # fixtures

# --- Started


def test_each_trace_is_in_one_shard_and_each_process_has_work(
    judge: Judge, experiment: Experiment, adam: User, settings
) -> None:
    settings.ANNOTATOR_WORKERS = 2
    for name, seen in (("a", timezone.now()), ("b", timezone.now()), ("dead", None)):
        Worker.objects.create(
            name=name, hostname="h", pid=1, last_seen_at=seen or timezone.now().replace(year=2000)
        )
    traces = make_traces(experiment, 200)
    job = start_job(
        actor=adam, version=in_use(judge), traces=[*traces, *traces[:5]], selection="all"
    )
    shards = list(job.shards.order_by("pk"))
    assert sorted(pk for shard in shards for pk in shard.trace_pks) == traces
    assert job.total == 200
    assert len(shards) == 2 * 2 * 2, "two rounds for each of two processes of two living workers"
    row = ActivityLog.objects.get(target_kind="judgejob")
    assert (row.actor, row.action) == (adam, "ran")
    assert row.after == {"version": 1, "traces": 200, "selection": "all"}


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (16, [16]), (17, [16, 1]), (70, [18, 18, 18, 16])]
)
def test_small_jobs_are_not_cut_into_crumbs(
    judge: Judge, experiment: Experiment, settings, count: int, sizes: list[int]
) -> None:
    settings.ANNOTATOR_WORKERS = 2
    job = start_job(actor=None, version=in_use(judge), traces=make_traces(experiment, count))
    assert [len(shard.trace_pks) for shard in job.shards.order_by("pk")] == sizes
    assert job_progress(job).done == count


def test_nothing_to_judge_or_no_model_is_said_and_leaves_nothing(
    experiment: Experiment, judge: Judge, adam: User
) -> None:
    with pytest.raises(JobError, match="no trace in this selection"):
        start_job(actor=adam, version=in_use(judge), traces=[])
    draft = create_judge(experiment=experiment, name="draft", model="", origin="IMPORT")
    with pytest.raises(JobError, match="provider:/model"):
        start_job(actor=adam, version=in_use(draft), traces=make_traces(experiment, 1))
    assert not JudgeJob.objects.exists()


def test_of_jobs_started_at_once_for_one_version_one_begins(
    judge: Judge, experiment: Experiment, adam: User
) -> None:
    traces = make_traces(experiment, 2)
    together = Barrier(3)

    def start() -> JudgeJob | JobError:
        version = in_use(Judge.objects.get(pk=judge.pk))
        together.wait()
        try:
            return start_job(actor=adam, version=version, traces=traces)
        except JobError as error:
            return error
        finally:
            connection.close()

    with worker_on_test_database() as worker, ThreadPoolExecutor(3) as pool:
        worker.kill()  # nobody works, so that the first job is still under way
        results = list(pool.map(lambda _: start(), range(3)))
    refused = [result for result in results if isinstance(result, JobError)]
    assert len(refused) == 2
    assert "already running" in str(refused[0])


# --- Done


def test_a_job_over_again_replaces_the_versions_own_verdicts_and_no_others(
    judge: Judge, experiment: Experiment, model: Model, adam: User
) -> None:
    traces = make_traces(experiment, 3)
    first = in_use(judge)
    start_job(actor=adam, version=first, traces=traces)
    model.answer = lambda case: verdict("poor")
    start_job(actor=adam, version=first, traces=traces)
    second = edit_judge(
        actor=adam,
        judge=judge,
        instructions="Again: {{ outputs }}",
        value_type=GOOD_OR_POOR,
        model="scripted:/model",
    )
    start_job(actor=adam, version=second, traces=traces[:1])
    valid = Assessment.objects.verdicts()
    assert sorted(valid.filter(judge_version=first).values_list("trace_id", "value_key")) == [
        (pk, "poor") for pk in traces
    ]
    assert valid.filter(judge_version=second).count() == 1
    assert Assessment.objects.filter(valid=False).count() == 3
    kept = valid.filter(judge_version=second).get()
    assert (kept.name, kept.source_type) == (judge.name, Source.LLM_JUDGE)
    assert (kept.source_id, kept.rationale) == ("scripted:/model", "It answers.")
    assert kept.input_tokens
    assert kept.cost == 0.0


def test_progress_tells_what_was_done_asked_and_spent(
    judge: Judge, experiment: Experiment, model: Model, django_assert_num_queries
) -> None:
    job = start_job(actor=None, version=in_use(judge), traces=make_traces(experiment, 20))
    with django_assert_num_queries(1):
        progress = job_progress(job)
    assert (progress.status, progress.total, progress.done, progress.failed) == (
        "SUCCEEDED",
        20,
        20,
        0,
    )
    assert progress.calls == len(model.prompts) == 20
    verdicts = Assessment.objects.verdicts()
    assert progress.tokens == sum(
        (row.input_tokens or 0) + (row.output_tokens or 0) for row in verdicts
    )
    assert progress.cost == 0.0
    assert progress.seconds_left is None
    assert not progress.is_live


def test_answers_that_cannot_be_used_are_failures_and_the_others_are_logged(
    judge: Judge, experiment: Experiment, model: Model
) -> None:
    traces = make_traces(experiment, 10)
    bad = [Trace.objects.get(pk=pk).trace_id for pk in (traces[3], traces[7])]
    model.answer = lambda case: "Hm." if "Answer 3." in case or "Answer 7." in case else verdict()
    job = start_job(actor=None, version=in_use(judge), traces=traces)
    progress = job_progress(job)
    assert (progress.status, progress.done, progress.failed) == ("SUCCEEDED", 8, 2)
    assert progress.calls == 8 + 2 * 3, "an unusable answer is asked again twice"
    assert sorted(failure["trace_id"] for failure in progress.failures) == sorted(bad)
    assert {failure["kind"] for failure in progress.failures} == {"MalformedAnswerError"}
    assert "no usable verdict, also when asked again" in progress.failures[0]["error"]
    assert Assessment.objects.verdicts().count() == 8


def test_expectations_reach_the_judge_and_what_people_said_does_not(
    experiment: Experiment, model: Model, alice: User
) -> None:
    judge = create_judge(
        experiment=experiment,
        instructions="Does {{ outputs }} meet {{ expectations }}?",
        value_type=GOOD_OR_POOR,
        model="scripted:/model",
        alignment_policy="MANUAL",
    )
    [pk] = make_traces(experiment, 1)
    trace = Trace.objects.get(pk=pk)
    for value, valid in (("Say Tuesday.", False), ("Say Monday.", True)):
        Assessment.objects.create(
            trace=trace,
            kind=Kind.EXPECTATION,
            name="right_answer",
            source_type=Source.HUMAN,
            source_id="anna",
            value=value,
            valid=valid,
        )
    create_feedback(judge=judge, trace=trace, author=alice, value="poor", rationale="No date!")
    job = start_job(actor=None, version=in_use(judge), traces=[pk])
    assert job_progress(job).done == 1, job_progress(job).failures
    assert "Say Monday." in model.prompts[0]
    assert "Tuesday" not in model.prompts[0]
    assert "No date!" not in model.prompts[0]


def test_verdicts_make_a_judge_ready_as_feedback_does(experiment: Experiment, alice: User) -> None:
    register_local_provider("tagged", respond)
    with plugins.override_optimizers({"adds-a-rule": AddsARule}):
        judge = create_tagged_judge(experiment=experiment, alignment_policy="AUTOMATIC")
        traces = []
        for number in range(12):
            tag = ("good", "poor")[number % 2]
            trace = create_trace(experiment=experiment, answer=f"Answer {number} [{tag}]")
            create_feedback(judge=judge, trace=trace, author=alice, value=tag)
            traces.append(trace.pk)
        assert not judge.runs.exists()
        start_job(actor=None, version=in_use(judge), traces=traces)
        assert judge.runs.count() == 1


# --- Failed


def test_a_provider_that_fails_stops_the_job_with_its_sentence_and_a_list_of_failures(
    judge: Judge, experiment: Experiment, model: Model, settings
) -> None:
    settings.LLM_CONCURRENCY = 2
    settings.ANNOTATOR_WORKERS = 1

    def refuse(case: str) -> str:
        raise ProviderAuthError(SENTENCE)

    model.answer = refuse
    job = start_job(actor=None, version=in_use(judge), traces=make_traces(experiment, 60))
    assert statuses(job) == {"FAILED": 2}
    assert len(model.prompts) < 16, "the second shard is not even begun"
    progress = job_progress(job)
    assert (progress.status, progress.done, progress.error) == ("FAILED", 0, SENTENCE)
    assert progress.failed >= 8
    assert {failure["error"] for failure in progress.failures} == {SENTENCE}
    assert not Assessment.objects.verdicts().exists()
    assert job.shards.exclude(error_kind="ProviderAuthError").count() == 0


def test_a_single_trace_that_the_provider_refuses_is_listed_too(
    judge: Judge, experiment: Experiment, model: Model
) -> None:
    def refuse(case: str) -> str:
        raise ProviderAuthError(SENTENCE)

    model.answer = refuse
    progress = job_progress(
        start_job(actor=None, version=in_use(judge), traces=make_traces(experiment, 1))
    )
    assert (progress.status, progress.failed, progress.error) == ("FAILED", 1, SENTENCE)


def test_a_provider_that_refuses_some_traces_does_not_stop_the_others(
    judge: Judge, experiment: Experiment, model: Model, settings
) -> None:
    settings.LLM_CONCURRENCY = 1

    def refuse_most(case: str) -> str:
        if "Answer 5." in case or "Answer 11." in case:
            return verdict()
        raise ProviderRequestError("The request is too long (400).")

    model.answer = refuse_most
    job = start_job(actor=None, version=in_use(judge), traces=make_traces(experiment, 16))
    progress = job_progress(job)
    assert (progress.status, progress.done, progress.failed) == ("SUCCEEDED", 2, 14)


def test_an_error_that_nobody_foresaw_costs_its_own_trace_alone(
    judge: Judge, experiment: Experiment, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    def stumble(call: ModelCall, _: Reply) -> None:
        if "Answer 2." in call.messages[1]["content"]:
            raise ZeroDivisionError("oh")

    traces = list(Trace.objects.filter(pk__in=make_traces(experiment, 4)).order_by("pk"))
    domain = in_use(judge).to_domain()
    outcomes = {
        trace: said
        for batch in judge_traces(domain, traces, Gateway(on_reply=stumble))
        for trace, said in batch
    }
    assert isinstance(outcomes[traces[2]], UnforeseenError)
    assert "ZeroDivisionError: oh" in str(outcomes[traces[2]])
    assert sum(isinstance(said, Feedback) for said in outcomes.values()) == 3
    assert "ZeroDivisionError" in caplog.text


# --- Told


def test_what_is_left_is_told_from_the_pace_so_far(judge: Judge, experiment: Experiment) -> None:
    job = queued_job(judge, make_traces(experiment, 20))
    assert job_progress(job).seconds_left is None
    half_a_minute_ago = timezone.now() - timedelta(seconds=30)
    first = job.shards.order_by("pk")[0]
    JudgeShard.objects.filter(pk=first.pk).update(
        status=WorkStatus.RUNNING, started_at=half_a_minute_ago, done=5
    )
    progress = job_progress(job)
    assert progress.status == "RUNNING"
    assert progress.seconds_left == pytest.approx(90, rel=0.1)


@pytest.mark.parametrize(
    ("shards", "status"),
    [
        (["SUCCEEDED", "RUNNING", "QUEUED"], "RUNNING"),
        (["SUCCEEDED", "QUEUED"], "QUEUED"),
        (["SUCCEEDED", "FAILED"], "FAILED"),
        (["SUCCEEDED", "CANCELLED"], "CANCELLED"),
        (["SUCCEEDED", "SUCCEEDED"], "SUCCEEDED"),
    ],
)
def test_the_job_stands_where_its_least_finished_shard_does(
    judge: Judge, experiment: Experiment, shards: list[str], status: str
) -> None:
    job = queued_job(judge, [])
    for each in shards:
        JudgeShard.objects.create(job=job, status=each)
    assert job_progress(job).status == status


def test_the_failures_shown_are_bounded_and_the_count_is_not(judge: Judge) -> None:
    job = queued_job(judge, [])
    failures = [{"trace_id": str(n), "kind": "E", "error": "e"} for n in range(300)]
    JudgeShard.objects.create(job=job, failures=failures)
    progress = job_progress(job)
    assert progress.failed == 300
    assert len(progress.failures) == jobs.SHOWN_FAILURES
