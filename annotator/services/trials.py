"""A judge tried on a few traces before it is saved: nothing is logged on them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction

from annotator import tasks
from annotator.models import Judge, JudgeTrial, Trace, User, WorkStatus
from annotator.services import leases
from annotator.services.jobs import judge_traces
from judges.errors import Cancelled, JudgeError, ProviderError
from judges.instructions import InstructionsJudge
from judges.llm import Gateway

MOST_TRACES = 5


def start_trial(
    *, actor: User, judge: Judge | None, definition: dict[str, Any], traces: Sequence[int]
) -> JudgeTrial:
    """Have a worker try a judge, as `InstructionsJudge.to_dict()` defines it, on at most five traces.

    Raises:
        InvalidJudgeError: when the definition is wrong.
    """
    InstructionsJudge.from_dict(definition)
    with transaction.atomic():
        trial = JudgeTrial.objects.create(
            judge=judge, definition=definition, trace_pks=list(traces)[:MOST_TRACES], created_by=actor
        )
        transaction.on_commit(partial(tasks.execute_trial.delay, trial.pk), robust=True)
    return trial


def execute_trial(pk: int) -> None:
    """Try the judge; the results are `{"trace_id", "value", "rationale", "error"}` a trace."""
    lease = leases.claim(JudgeTrial, pk)
    if lease is None:
        return
    with lease:
        trial = JudgeTrial.objects.get(pk=pk)
        gateway = Gateway(
            concurrency=MOST_TRACES,
            timeout_s=settings.LLM_TIMEOUT,
            max_attempts=2,
            cancelled=lease.cancelled,
        )
        judge = InstructionsJudge.from_dict(trial.definition)
        traces = Trace.objects.in_bulk(trial.trace_pks)
        results: dict[int, dict[str, Any]] = {}
        try:
            for trace, verdict in judge_traces(judge, list(traces.values()), gateway):
                failed = isinstance(verdict, JudgeError)
                results[trace.pk] = {
                    "trace_id": trace.trace_id,
                    "preview": trace.request_preview,
                    "value": None if failed else verdict.value,
                    "rationale": "" if failed else verdict.rationale,
                    "error": str(verdict) if failed else "",
                }
        except Cancelled:
            lease.finish(WorkStatus.CANCELLED)
        except ProviderError as error:
            lease.finish(WorkStatus.FAILED, error_kind=type(error).__name__, error_text=str(error))
        else:
            ordered = [results[trace] for trace in trial.trace_pks if trace in results]
            lease.finish(WorkStatus.SUCCEEDED, results=ordered)
