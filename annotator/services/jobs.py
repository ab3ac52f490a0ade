"""A judge over many traces: cut into shards that worker processes share, each resumed where it stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from annotator import tasks
from annotator.models import (
    LIVE,
    Assessment,
    JudgeJob,
    JudgeShard,
    JudgeVersion,
    Trace,
    User,
    WorkStatus,
)
from annotator.services import leases, log, workers
from annotator.services.labels import look_at_readiness
from annotator.services.verdicts import log_verdicts
from judges.entities import Feedback, Usage
from judges.errors import Cancelled, JudgeError, ProviderError
from judges.instructions import Case, InstructionsJudge
from judges.llm import Gateway

LARGEST_SHARD = 500
SMALLEST_SHARD = 16
FLUSH_S = 1.0
FAILURES_IN_A_ROW = 8  # of the provider: it is down, and asking on would only take time
SHOWN_FAILURES = 200


class JobError(ValueError):
    """The job cannot be started or changed so."""


@dataclass(frozen=True, kw_only=True)
class JobProgress:
    """How far a job is. `cost` is None where the price is unknown, `seconds_left` where nothing can be said."""

    status: str
    total: int
    done: int
    failed: int
    calls: int
    tokens: int
    cost: float | None
    seconds_left: float | None
    failures: list[dict[str, str]] = field(default_factory=list)
    error: str = ""

    @property
    def is_live(self) -> bool:
        """Whether it still waits or runs."""
        return self.status in LIVE


def start_job(
    *, actor: User | None, version: JudgeVersion, traces: Sequence[int], selection: str = ""
) -> JudgeJob:
    """Have the workers run a judge version over traces, given by their pks.

    Raises:
        JobError: when there is no trace, or a job of this version is under way.
        InvalidJudgeError: when the version cannot run, for example because it has no model.
    """
    version.to_domain()
    if not traces:
        raise JobError("There is no trace in this selection; change the filter or select some.")
    if JudgeShard.objects.filter(job__version=version, status__in=LIVE).exists():
        raise JobError("This version is already running over traces; wait for it or cancel it.")
    with transaction.atomic():
        job = JudgeJob.objects.create(
            version=version, selection=selection[:500], total=len(traces), created_by=actor
        )
        shards = JudgeShard.objects.bulk_create(
            [JudgeShard(job=job, trace_pks=list(part)) for part in _cut(traces)]
        )
        log.record(
            actor=actor,
            action="ran",
            target=job,
            team=version.judge.experiment.team,
            name=version.judge.name,
            after={"version": version.number, "traces": len(traces), "selection": selection},
        )
        for shard in shards:
            transaction.on_commit(partial(tasks.execute_shard.delay, shard.pk), robust=True)
    return job


def cancel_job(*, actor: User, job: JudgeJob) -> None:
    """Stop a job: what waits is not begun, what runs stops within a call. Verdicts already given stay."""
    with transaction.atomic():
        job.shards.filter(status=WorkStatus.QUEUED).update(
            status=WorkStatus.CANCELLED, cancel_requested=True, finished_at=timezone.now()
        )
        job.shards.filter(status=WorkStatus.RUNNING).update(cancel_requested=True)
        log.record(
            actor=actor,
            action="cancelled",
            target=job,
            team=job.version.judge.experiment.team,
            name=job.version.judge.name,
        )


def job_progress(job: JudgeJob) -> JobProgress:
    """How far the job is, in one query."""
    shards = list(job.shards.defer("trace_pks"))
    failures = [failure for shard in shards for failure in shard.failures]
    done = sum(shard.done for shard in shards)
    costs = [shard.cost for shard in shards if shard.cost is not None]
    finished = done + len(failures)
    status = _status_of(shards)
    started = min((shard.started_at for shard in shards if shard.started_at), default=None)
    seconds_left = None
    if status in LIVE and started and finished:
        elapsed = (timezone.now() - started).total_seconds()
        seconds_left = elapsed / finished * (job.total - finished)
    return JobProgress(
        status=status,
        total=job.total,
        done=done,
        failed=len(failures),
        calls=sum(shard.calls for shard in shards),
        tokens=sum(shard.input_tokens + shard.output_tokens for shard in shards),
        cost=sum(costs) if costs else None,
        seconds_left=seconds_left,
        failures=failures[:SHOWN_FAILURES],
        error=next((shard.error_text for shard in shards if shard.error_text), ""),
    )


def execute_shard(pk: int) -> None:
    """Judge the traces of a shard that have no verdict of this job yet. Safe to call any number of times."""
    lease = leases.claim(JudgeShard, pk)
    if lease is None:
        return
    with lease:
        shard = JudgeShard.objects.select_related("job__version__judge__experiment").get(pk=pk)
        version = shard.job.version
        todo = _todo(shard)
        recorder = _Recorder(shard=shard, lease=lease, version=version)
        gateway = Gateway(
            concurrency=settings.LLM_CONCURRENCY,
            timeout_s=settings.LLM_TIMEOUT,
            cancelled=lease.cancelled,
        )
        recorder.done = len(shard.trace_pks) - len(todo) - len(shard.failures)
        try:
            for trace, verdict in judge_traces(version.to_domain(), todo, gateway):
                recorder.add(trace, verdict, gateway.usage)
        except Cancelled:
            recorder.flush(gateway.usage)
            lease.finish(WorkStatus.CANCELLED)
        except ProviderError as error:
            recorder.flush(gateway.usage)
            lease.finish(WorkStatus.FAILED, error_kind=type(error).__name__, error_text=str(error))
        else:
            recorder.flush(gateway.usage)
            lease.finish(WorkStatus.SUCCEEDED)
        look_at_readiness(version.judge)


def judge_traces(
    judge: InstructionsJudge, traces: Sequence[Trace], gateway: Gateway
) -> Iterator[tuple[Trace, Feedback | JudgeError]]:
    """Verdicts as they come, as many at once as the gateway lets through; a failed one is its error.

    Raises:
        ProviderError: when the provider failed on many traces in a row.
        Cancelled: when the gateway was told to stop.
    """
    needs_spans = bool(judge.variables & {"trace", "conversation"})
    cases = {trace.pk: Case.from_trace(trace.to_domain(spans=needs_spans), judge) for trace in traces}
    threads = max(1, min(settings.LLM_CONCURRENCY, len(traces)))
    in_a_row = 0
    with ThreadPoolExecutor(threads, thread_name_prefix="judge") as pool:
        waiting: dict[Future[Feedback], Trace] = {
            pool.submit(judge.evaluate, cases[trace.pk], gateway=gateway): trace for trace in traces
        }
        try:
            while waiting:
                finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    trace = waiting.pop(future)
                    try:
                        verdict = future.result()
                    except JudgeError as error:
                        in_a_row = in_a_row + 1 if isinstance(error, ProviderError) else 0
                        if in_a_row >= min(FAILURES_IN_A_ROW, len(traces)) and isinstance(error, ProviderError):
                            raise
                        yield trace, error
                    else:
                        in_a_row = 0
                        yield trace, verdict
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Recorder:
    """Collects verdicts and writes them once a second, because many small transactions queue up on SQLite."""

    def __init__(self, *, shard: JudgeShard, lease: leases.Lease, version: JudgeVersion) -> None:
        self.done = 0
        self._shard = shard
        self._lease = lease
        self._version = version
        self._failures: list[dict[str, str]] = list(shard.failures)
        self._pending: list[tuple[int, Feedback]] = []
        self._flushed_at = time.monotonic()

    def add(self, trace: Trace, verdict: Feedback | JudgeError, usage: Usage) -> None:
        if isinstance(verdict, JudgeError):
            self._failures.append(
                {"trace_id": trace.trace_id, "kind": type(verdict).__name__, "error": str(verdict)}
            )
        else:
            self._pending.append((trace.pk, verdict))
        if time.monotonic() - self._flushed_at >= FLUSH_S:
            self.flush(usage)

    def flush(self, usage: Usage) -> None:
        if self._pending:
            log_verdicts(version=self._version, verdicts=self._pending)
            self.done += len(self._pending)
            self._pending = []
        self._flushed_at = time.monotonic()
        fields: dict[str, Any] = {
            "done": self.done,
            "failures": self._failures,
            "calls": self._shard.calls + usage.calls,
            "input_tokens": self._shard.input_tokens + usage.input_tokens,
            "output_tokens": self._shard.output_tokens + usage.output_tokens,
        }
        if usage.cost is not None:
            fields["cost"] = (self._shard.cost or 0.0) + usage.cost
        self._lease.update(**fields)


def _todo(shard: JudgeShard) -> list[Trace]:
    """The shard's traces without a verdict of this job: an earlier attempt may have got some way."""
    failed = {failure["trace_id"] for failure in shard.failures}
    judged = set(
        Assessment.objects.verdicts()
        .filter(
            judge_version=shard.job.version,
            trace__in=shard.trace_pks,
            created_at__gte=shard.job.created_at,
        )
        .values_list("trace_id", flat=True)
    )
    traces = Trace.objects.in_bulk([pk for pk in shard.trace_pks if pk not in judged])
    return [
        traces[pk] for pk in shard.trace_pks if pk in traces and traces[pk].trace_id not in failed
    ]


def _cut(traces: Sequence[int]) -> Iterator[Sequence[int]]:
    processes = settings.ANNOTATOR_WORKERS * max(1, workers.alive().count())
    # Two rounds for each process: the slower one leaves its second shard to the faster one.
    size = min(LARGEST_SHARD, max(SMALLEST_SHARD, math.ceil(len(traces) / (2 * processes))))
    for start in range(0, len(traces), size):
        yield traces[start : start + size]


def _status_of(shards: Sequence[JudgeShard]) -> str:
    states = {shard.status for shard in shards}
    for status in (
        WorkStatus.RUNNING,
        WorkStatus.QUEUED,
        WorkStatus.FAILED,
        WorkStatus.CANCELLED,
    ):
        if status in states:
            return status.value
    return WorkStatus.SUCCEEDED.value
