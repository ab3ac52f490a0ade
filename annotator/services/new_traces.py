"""Judging traces by itself as they come: a share of them, drawn by a hash so that the same trace is drawn once or never."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from annotator.filters.sql import narrowed
from annotator.filters.text import parse_filter
from annotator.filters.tokens import FilterError
from annotator.models import (
    Assessment,
    Judge,
    JudgeShard,
    JudgeVersion,
    NewTraces,
    Trace,
    TraceState,
    User,
)
from annotator.services import jobs, log
from annotator.services.jobs import JobError

LONGEST_FILTER = 2_000
MOST_AT_ONCE = 500
# Spans of a trace may still be on their way; what is older was missed while no worker was there, and stays so.
SETTLES_AFTER = timedelta(seconds=5)
LOOKS_BACK = timedelta(hours=24)


class NewTracesError(ValueError):
    """Traces cannot be judged by itself so; `field` says where the remedy lies."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


def judge_new_traces(*, actor: User, judge: Judge, share: float, filter: str = "") -> NewTraces:
    """Have this share (0 to 1) of the traces that come from now on judged, as far as the filter lets them through.

    Raises:
        NewTracesError: when the share is out of its bounds, the filter cannot be read, or the judge cannot run here.
    """
    if not 0 <= share <= 1:
        raise NewTracesError("Give a share from 0 to 1.", field="share")
    filter = filter.strip()
    if len(filter) > LONGEST_FILTER:
        raise NewTracesError(f"A filter has at most {LONGEST_FILTER:,} characters.", field="filter")
    try:
        narrowed(Trace.objects.all(), [judge.experiment_id], parse_filter(filter), actor)
    except FilterError as error:
        raise NewTracesError(str(error), field="filter") from None
    if share and (problem := _why_it_cannot_run(judge.current_version)):
        raise NewTracesError(problem, field="share")
    with transaction.atomic():
        before = NewTraces.objects.filter(judge=judge).first()
        was_on = before is not None and before.share > 0
        setting, _ = NewTraces.objects.update_or_create(
            judge=judge,
            defaults={
                "share": share,
                "filter": filter,
                "set_by": actor,
                "last_problem": "",
                # What came while it was off stays unjudged.
                "since": before.since if before and was_on else timezone.now(),
            },
        )
        log.record(
            actor=actor,
            action="set what is judged by itself for",
            target=judge,
            team=judge.experiment.team,
            name=judge.name,
            before={"share": before.share, "filter": before.filter} if before else None,
            after={"share": share, "filter": filter},
        )
    return setting


def judge_what_came(*, now: datetime | None = None) -> None:
    """Start a job over the new traces of each judge that has any. Safe to call any number of times."""
    now = now or timezone.now()
    settings = NewTraces.objects.filter(share__gt=0).select_related(
        "judge__experiment__team", "judge__current_version", "set_by"
    )
    for setting in settings:
        version = setting.judge.current_version
        if version is None or _why_it_cannot_run(version):
            continue  # the page says so
        problem = ""
        try:
            traces = _drawn(setting, version, now)
            if traces:
                jobs.start_job(actor=None, version=version, traces=traces, selection="new traces")
        except FilterError as error:
            problem = str(error)[:500]
        except JobError:
            continue  # it runs over traces already; what is left waits for the next look
        NewTraces.objects.filter(pk=setting.pk).exclude(last_problem=problem).update(
            last_problem=problem
        )


def _why_it_cannot_run(version: JudgeVersion | None) -> str:
    if version is None or not version.model:
        return "The judge has no model yet; an admin names one."
    return version.not_runnable


def _drawn(setting: NewTraces, version: JudgeVersion, now: datetime) -> list[int]:
    """Traces to judge now, the oldest first: drawn, finished, neither judged by this version nor tried."""
    since = max(setting.since, now - LOOKS_BACK)
    traces = Trace.objects.all()
    if setting.filter:
        if setting.set_by is None:
            raise FilterError("Whoever set the filter is gone; set it anew.")
        clauses = parse_filter(setting.filter)
        traces = narrowed(traces, [setting.judge.experiment_id], clauses, setting.set_by)
    said = Assessment.objects.verdicts().filter(
        trace=OuterRef("pk"), judge_version=version, span_id=""
    )
    rows = (
        traces.filter(
            experiment=setting.judge.experiment_id,
            requested_at__gte=since,
            created_at__lte=now - SETTLES_AFTER,
        )
        .exclude(state=TraceState.IN_PROGRESS)
        .filter(~Exists(said))
        .order_by("requested_at", "pk")
        .values_list("pk", "trace_id")
    )
    tried = _tried(version, since)
    drawn = [
        pk
        for pk, trace_id in rows.iterator()
        if pk not in tried and _toss(setting.judge, trace_id) < setting.share
    ]
    return drawn[:MOST_AT_ONCE]


def _tried(version: JudgeVersion, since: datetime) -> set[int]:
    """Traces that jobs of this version took up: what failed is not asked again and again."""
    shards = JudgeShard.objects.filter(job__version=version, created_at__gte=since)
    return {pk for traces in shards.values_list("trace_pks", flat=True) for pk in traces}


def _toss(judge: Judge, trace_id: str) -> float:
    digest = hashlib.sha256(f"{judge.pk}/{trace_id}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
