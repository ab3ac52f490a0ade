"""A judge tried on a few traces before it is saved: nothing is logged on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import transaction

from annotator import tasks
from annotator.models import Judge, JudgeTrial, Trace, User, WorkStatus
from annotator.services import leases, log
from annotator.services.judging import Outcome, UnforeseenError, judge_traces
from annotator.services.prices import load_prices
from annotator.services.queueing import send_on_commit
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
    tried = InstructionsJudge.from_dict(definition)
    pks = list(dict.fromkeys(traces))[:MOST_TRACES]
    with transaction.atomic():
        trial = JudgeTrial.objects.create(
            judge=judge, definition=definition, trace_pks=pks, created_by=actor
        )
        first = Trace.objects.select_related("experiment__team").filter(pk__in=pks).first()
        log.record(
            actor=actor,
            action="tried",
            target=trial,
            team=first.experiment.team if first else None,
            name=tried.name,
            after={"model": tried.model, "traces": len(pks)},
        )
        send_on_commit(tasks.execute_trial, [trial.pk])
    return trial


def execute_trial(pk: int) -> None:
    """Try the judge; the results are `{"trace_id", "preview", "value", "rationale", "error"}` a trace."""
    lease = leases.claim(JudgeTrial, pk)
    if lease is None:
        return
    with lease:
        trial = JudgeTrial.objects.get(pk=pk)
        load_prices()
        gateway = Gateway(
            concurrency=MOST_TRACES,
            timeout_s=settings.LLM_TIMEOUT,
            max_attempts=2,
            cancelled=lease.cancelled,
        )
        judge = InstructionsJudge.from_dict(trial.definition)
        traces = Trace.objects.in_bulk(trial.trace_pks)
        results: dict[int, dict[str, Any]] = {}
        status, problem = WorkStatus.SUCCEEDED, {}
        try:
            for outcomes in judge_traces(judge, list(traces.values()), gateway):
                results.update({outcome[0].pk: _result(outcome) for outcome in outcomes})
        except Cancelled:
            status = WorkStatus.CANCELLED
        except (ProviderError, UnforeseenError) as error:
            status = WorkStatus.FAILED
            problem = {"error_kind": type(error).__name__, "error_text": str(error)}
        ordered = [results[trace] for trace in trial.trace_pks if trace in results]
        lease.finish(status, results=ordered, **problem)


def _result(outcome: Outcome) -> dict[str, Any]:
    trace, said = outcome
    result = {"trace_id": trace.trace_id, "preview": trace.request_preview}
    if isinstance(said, JudgeError):
        return {**result, "value": None, "rationale": "", "error": str(said)}
    return {**result, "value": said.value, "rationale": said.rationale, "error": ""}
