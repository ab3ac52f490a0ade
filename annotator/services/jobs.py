"""A judge over many traces: cut into shards that worker processes share, each resumed where it stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
from annotator.services.judging import Outcome, UnforeseenError, judge_traces
from annotator.services.labels import lock_judge, look_at_readiness
from annotator.services.prices import load_prices
from annotator.services.queueing import send_on_commit
from annotator.services.verdicts import log_verdicts
from judges.entities import Feedback, Usage
from judges.errors import Cancelled, InvalidJudgeError, JudgeError, ProviderError
from judges.llm import Gateway

LARGEST_SHARD = 500
SMALLEST_SHARD = 16
WRITE_EVERY_S = 1.0
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
        JobError: when there is no trace, a job of this version is under way, or the version cannot run, for example
            because it has no model.
    """
    try:
        version.to_domain()
    except InvalidJudgeError as error:
        raise JobError(str(error)) from None
    traces = list(dict.fromkeys(traces))
    if not traces:
        raise JobError("There is no trace in this selection; change the filter or select some.")
    with transaction.atomic():
        lock_judge(version.judge)
        if JudgeShard.objects.filter(job__version=version, status__in=LIVE).exists():
            raise JobError("This version is already running over traces; wait for it or cancel it.")
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
        send_on_commit(tasks.execute_shard, [shard.pk for shard in shards])
    return job


def cancel_job(*, actor: User, job: JudgeJob) -> None:
    """Stop a job: what waits is not begun, what runs stops within a call. Verdicts already given stay.

    A job that is over stays as it is.
    """
    with transaction.atomic():
        waiting = job.shards.filter(status=WorkStatus.QUEUED).update(
            status=WorkStatus.CANCELLED, cancel_requested=True, finished_at=timezone.now()
        )
        running = job.shards.filter(status=WorkStatus.RUNNING, cancel_requested=False).update(
            cancel_requested=True
        )
        if waiting or running:
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
        load_prices()
        gateway = Gateway(
            concurrency=settings.LLM_CONCURRENCY,
            timeout_s=settings.LLM_TIMEOUT,
            cancelled=lease.cancelled,
        )
        todo = _todo(shard)
        recorder = _Recorder(shard=shard, lease=lease, gateway=gateway, left=len(todo))
        try:
            for outcomes in judge_traces(shard.job.version.to_domain(), todo, gateway):
                recorder.take(outcomes)
        except Cancelled:
            recorder.finish(WorkStatus.CANCELLED)
        except (ProviderError, UnforeseenError) as error:
            recorder.finish(
                WorkStatus.FAILED, error_kind=type(error).__name__, error_text=str(error)
            )
        else:
            recorder.finish(WorkStatus.SUCCEEDED)


class _Recorder:
    """Collects verdicts and writes them once a second, because many small transactions queue up on SQLite.

    Each write goes through the lease: a worker that was silent for so long that another has the shard writes nothing.
    """

    def __init__(
        self, *, shard: JudgeShard, lease: leases.Lease, gateway: Gateway, left: int
    ) -> None:
        self._shard = shard
        self._lease = lease
        self._gateway = gateway
        self._failures: list[dict[str, str]] = list(shard.failures)
        self._done = len(shard.trace_pks) - left - len(self._failures)
        self._pending: list[tuple[int, Feedback]] = []
        self._written_at = time.monotonic()

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Note verdicts and failures, and write them when it is time."""
        for trace, outcome in outcomes:
            if isinstance(outcome, JudgeError):
                self._failures.append(
                    {
                        "trace_id": trace.trace_id,
                        "kind": type(outcome).__name__,
                        "error": str(outcome),
                    }
                )
            else:
                self._pending.append((trace.pk, outcome))
        if time.monotonic() - self._written_at >= WRITE_EVERY_S:
            self._write()

    def finish(self, status: WorkStatus, **fields: Any) -> None:
        """Write what is left and how the shard ended."""
        shard = self._shard
        with transaction.atomic():
            if not self._write() or not self._lease.finish(status, **fields):
                return
            if status == WorkStatus.FAILED:
                # The provider fails all of them alike; asking on would only take time and money.
                shard.job.shards.filter(status=WorkStatus.QUEUED).update(
                    status=status, finished_at=timezone.now(), **fields
                )
            look_at_readiness(shard.job.version.judge)

    def _write(self) -> bool:
        usage = self._gateway.usage
        done = self._done + len(self._pending)
        with transaction.atomic():
            if not self._lease.update(done=done, failures=self._failures, **self._spent(usage)):
                return False
            log_verdicts(version=self._shard.job.version, verdicts=self._pending)
        self._done, self._pending = done, []
        self._written_at = time.monotonic()
        return True

    def _spent(self, usage: Usage) -> dict[str, Any]:
        """Calls, tokens and cost so far, those of earlier attempts included."""
        shard = self._shard
        cost = shard.cost if usage.cost is None else (shard.cost or 0.0) + usage.cost
        return {
            "calls": shard.calls + usage.calls,
            "input_tokens": shard.input_tokens + usage.input_tokens,
            "output_tokens": shard.output_tokens + usage.output_tokens,
            "cost": cost,
        }


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
