"""Doing an alignment run: claimed, computed outside any transaction, recorded as it goes, decided at the end."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from alignment import events
from alignment.estimates import Budget
from alignment.gate import GatePolicy, Outcome
from alignment.labels import Example
from alignment.metric import Costs
from alignment.plugins import build_optimizer
from alignment.runner import RunResult, run_alignment
from alignment.sides import Sides
from annotator.models import AlignmentRun, Judge, Trace, WorkStatus
from annotator.services import judges, leases, log, runs
from annotator.services.labels import look_at_readiness
from annotator.services.prices import load_prices
from annotator.services.run_answers import RunAnswers
from annotator.services.run_examples import thaw
from annotator.services.verdicts import log_verdicts
from judges.entities import Trace as DomainTrace
from judges.errors import Cancelled, JudgeError, MalformedAnswerError
from judges.instructions import Case, InstructionsJudge
from judges.llm import Gateway

WRITE_EVERY_S = 0.5
MOST_LOG_LINES = 500


def execute_run(pk: int) -> None:
    """Do a run, or go on with one whose worker died. Safe to call any number of times."""
    lease = leases.claim(AlignmentRun, pk)
    if lease is None:
        return
    with lease:
        run = AlignmentRun.objects.select_related(
            "judge__experiment__team", "judge__current_version", "version_in__judge"
        ).get(pk=pk)
        load_prices()
        answers = RunAnswers(run)
        setup = _setup(run)
        answered_by: dict[str, set[str]] = defaultdict(set)
        gateway = Gateway(
            concurrency=settings.LLM_CONCURRENCY,
            timeout_s=settings.LLM_TIMEOUT,
            answers=answers,
            cancelled=lease.cancelled,
            on_reply=lambda call, reply: answered_by[call.model].add(reply.served_by),
        )
        judge = run.version_in.to_domain()
        examples = thaw(run.examples, Sides.from_dict(setup["sides"]))
        recorder = Recorder(run=run, lease=lease, gateway=gateway)
        try:
            with answers, recorder:
                result = run_alignment(
                    judge=judge,
                    examples=examples,
                    optimizer=build_optimizer(
                        run.optimizer, model=run.model, seed=run.seed, params=run.params
                    ),
                    gateway=gateway,
                    held_out_before=frozenset(setup["held_out_before"]),
                    learnt_before=frozenset(setup["learnt_before"]),
                    seed=run.seed,
                    sides=Sides.from_dict(setup["sides"]),
                    costs=Costs.from_dict(setup["costs"]),
                    policy=GatePolicy(
                        margin=run.policy["margin"],
                        max_harm_per_side=run.policy["max_harm_per_side"],
                    ),
                    budget=Budget(
                        calls=run.policy.get("max_calls"), cost=run.policy.get("max_cost")
                    ),
                    emit=recorder.take,
                    cancelled=lease.cancelled,
                )
                verdicts = _tested_verdicts(judge, result, gateway, examples)
        except Cancelled:
            if lease.finish(WorkStatus.CANCELLED, **recorder.spent()):
                run.answers.all().delete()
        except JudgeError as error:
            failure = {"error_kind": type(error).__name__, "error_text": str(error)}
            if lease.finish(WorkStatus.FAILED, **failure, **recorder.spent()):
                run.answers.all().delete()
        else:
            snapshot = {model: sorted(names - {""}) for model, names in answered_by.items()}
            _record_result(run, lease, result, verdicts, recorder, answered_by=snapshot)
        look_at_readiness(run.judge)


class Recorder:
    """Writes what a run tells, twice a second and from one thread of its own.

    Events come from many threads, hundreds a second; each of them writing would queue up on SQLite and leave
    connections behind.
    """

    def __init__(self, *, run: AlignmentRun, lease: leases.Lease, gateway: Gateway) -> None:
        self._run = run
        self._lease = lease
        self._gateway = gateway
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._stages: list[dict[str, Any]] = []
        self._steps: list[dict[str, Any]] = []
        self._lines: list[dict[str, str]] = []
        self._calls_expected: int | None = None
        self._thread = threading.Thread(
            target=self._write_until_ended, name="run-recorder", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self.write()

    def take(self, event: events.Event) -> None:
        """Note an event; `write` writes it."""
        with self._lock:
            match event:
                case events.StageStarted():
                    self._start_stage(event.stage.value)
                case events.StageFinished():
                    self._finish_stage(event.stage.value, event.text)
                case events.Progress():
                    if self._stages:
                        self._stages[-1].update(done=event.done, total=event.total)
                case events.StepScored():
                    self._steps.append(
                        {
                            "step": event.step,
                            "of": event.steps,
                            "scores": list(event.scores),
                            "best": event.best,
                            "part": event.part,
                        }
                    )
                case events.CallsEstimated():
                    self._calls_expected = event.calls
                case events.LogLine():
                    self._lines.append({"level": event.level, "text": event.text})
                    del self._lines[:-MOST_LOG_LINES]

    def spent(self) -> dict[str, Any]:
        """Calls, tokens and cost so far, those of earlier attempts included."""
        usage = self._gateway.usage
        cost = self._run.cost if usage.cost is None else (self._run.cost or 0.0) + usage.cost
        return {
            "calls": self._run.calls + usage.calls,
            "input_tokens": self._run.input_tokens + usage.input_tokens,
            "output_tokens": self._run.output_tokens + usage.output_tokens,
            "cost": cost,
        }

    def write(self) -> None:
        """Write what is new to the run's row."""
        with self._lock:
            fields = {
                "stages": [dict(stage) for stage in self._stages],
                "steps": list(self._steps),
                "log_lines": list(self._lines),
                "calls_expected": self._calls_expected,
            }
        self._lease.update(**fields, **self.spent())

    def record_stage(self, name: str, text: str) -> list[dict[str, Any]]:
        """The stages with one more, which took no time worth telling."""
        with self._lock:
            self._start_stage(name)
            self._finish_stage(name, text)
            return [dict(stage) for stage in self._stages]

    def _start_stage(self, name: str) -> None:
        self._stages.append({"name": name, "started_at": _now(), "finished_at": None, "result": ""})

    def _finish_stage(self, name: str, text: str) -> None:
        for stage in self._stages:
            if stage["name"] == name and stage["finished_at"] is None:
                stage.update(finished_at=_now(), result=text)

    def _write_until_ended(self) -> None:
        try:
            while not self._ended.wait(WRITE_EVERY_S):
                self.write()
        finally:
            connection.close()


def _setup(run: AlignmentRun) -> dict[str, Any]:
    """What was written down when the run was started; for one that waited through an upgrade, what holds now."""
    return run.setup or runs.setup_of(run.judge, run.examples)


def _record_result(
    run: AlignmentRun,
    lease: leases.Lease,
    result: RunResult,
    verdicts: dict[str, Any],
    recorder: Recorder,
    *,
    answered_by: dict[str, list[str]],
) -> None:
    """Write the result, make the candidate a version, and promote it where gate and policy agree; all or nothing."""
    outcome = result.decision.outcome
    checked = _compared(run, result) if run.repeat_of else ""
    with transaction.atomic():
        candidate = None
        if result.candidate is not None and not checked:
            candidate = judges.add_candidate(
                judge=run.judge,
                parent=run.version_in,
                candidate=result.candidate,
                note=f"Run {run.pk}",
            )
            log_verdicts(version=candidate, verdicts=list(verdicts["after"].values()))
        rejected = bool(checked) or outcome is Outcome.REJECT
        held = lease.finish(
            WorkStatus.SUCCEEDED,
            candidate=candidate,
            split=asdict(result.split),
            figures={**result.figures(), "answered_by": answered_by},
            items=[
                {
                    **item.to_dict(),
                    "before_rationale": verdicts["before_reasons"].get(item.trace_id, ""),
                    "after_rationale": verdicts["after_reasons"].get(item.trace_id, ""),
                }
                for item in result.items
            ],
            excluded=run.excluded
            + [
                {"trace_id": trace_id, "code": reason.code.value, "reason": reason.text}
                for trace_id, reason in result.excluded
            ],
            outcome=outcome.value,
            outcome_reason=result.decision.reason,
            decision=AlignmentRun.Decision.REJECTED if rejected else AlignmentRun.Decision.OPEN,
            decision_reason=(checked or result.decision.reason) if rejected else "",
            decided_at=timezone.now() if rejected else None,
            **recorder.spent(),
        )
        if not held:
            transaction.set_rollback(True)
            return
        log.record(
            actor=None,
            action="finished run",
            target=run,
            team=run.judge.experiment.team,
            name=run.judge.name,
            after={"outcome": outcome.value, "reason": result.decision.reason},
        )
        run.refresh_from_db()
        text = checked or _promote_if_allowed(run, outcome)
        AlignmentRun.objects.filter(pk=run.pk).update(stages=recorder.record_stage("PROMOTE", text))
        # The answers served to take the run up again; from here on the verdicts are what is kept of them.
        run.answers.all().delete()


def _compared(run: AlignmentRun, result: RunResult) -> str:
    """Whether a repeat came to the result of the run that it repeats, in a sentence that names what differs."""
    first = AlignmentRun.objects.select_related("candidate__judge").get(repeats=run)
    then = {
        "outcome": first.outcome,
        "division of the labels": first.split,
        "verdicts": [(item["trace_id"], item["before"], item["after"]) for item in first.items],
        "candidate": first.candidate and first.candidate.to_domain().to_dict(),
    }
    now = {
        "outcome": result.decision.outcome.value,
        "division of the labels": asdict(result.split),
        "verdicts": [(item.trace_id, item.before, item.after) for item in result.items],
        "candidate": result.candidate and result.candidate.to_dict(),
    }
    differing = [
        what for what in then if json.dumps(then[what]) != json.dumps(now[what])
    ]  # as the database keeps them: without a difference between lists and tuples
    if not differing:
        return f"The same result as run {first.pk}."
    return f"Another result than run {first.pk}: it differs in the {' and the '.join(differing)}."


def _promote_if_allowed(run: AlignmentRun, outcome: Outcome) -> str:
    if outcome is Outcome.REJECT:
        return "Nothing is promoted."
    if outcome is Outcome.CANDIDATE or run.candidate is None:
        return "The candidate waits for an admin."
    judge = Judge.objects.select_related("current_version", "experiment__team").get(pk=run.judge_id)
    if run.candidate.memory is not None and run.candidate.memory.contradictions:
        return "Decisively better, but the feedback contradicts itself; an admin decides when that is settled."
    if judge.promotion_policy != Judge.PromotionPolicy.AUTOMATIC:
        return "Decisively better; this judge's policy asks for an admin's approval."
    if judge.current_version_id != run.version_in_id:
        return "Decisively better than the version it started from, but the judge was changed since; an admin decides."
    run.judge = judge
    runs.promote_run(actor=None, run=run)
    return f"Version {run.candidate.number} is in use."


def _tested_verdicts(
    judge: InstructionsJudge, result: RunResult, gateway: Gateway, examples: Sequence[Example]
) -> dict[str, Any]:
    """What both versions said of the tested traces, with their reasons.

    The run has asked all of this already, so every answer comes from the run's own store. Under cross-validation
    the candidate proper has not judged these traces, and has learnt from all of them: it gets no verdicts here.
    """
    tested = {item.trace_id for item in result.items}
    cases = {e.trace.trace_id: e.trace for e in examples if e.trace.trace_id in tested}
    before = _reasons(judge, cases, gateway)
    after: dict[str, Any] = {}
    if result.candidate is not None and not result.split.is_cross_validated:
        after = _reasons(result.candidate, cases, gateway)
    pks = dict(Trace.objects.filter(trace_id__in=after).values_list("trace_id", "pk"))
    return {
        "before_reasons": {trace_id: feedback.rationale for trace_id, feedback in before.items()},
        "after_reasons": {trace_id: feedback.rationale for trace_id, feedback in after.items()},
        "after": {
            trace_id: (pks[trace_id], feedback)
            for trace_id, feedback in after.items()
            if trace_id in pks
        },
    }


def _reasons(
    judge: InstructionsJudge, cases: dict[str, DomainTrace], gateway: Gateway
) -> dict[str, Any]:
    said = {}
    for trace_id, trace in cases.items():
        try:
            said[trace_id] = judge.evaluate(Case.from_trace(trace, judge), gateway=gateway)
        except MalformedAnswerError:
            continue
    return said


def _now() -> str:
    moment: datetime = timezone.now()
    return moment.isoformat()
