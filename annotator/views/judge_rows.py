"""Lists about judges in as many queries for a hundred as for one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, QuerySet, Subquery

from alignment.intervals import Figure
from alignment.judge_agreement import compare
from alignment.readiness import TraceState, readiness
from annotator.models import AlignmentRun, Assessment, Judge, Label
from annotator.presenters.state import Meter, StateChip, judge_state, meter
from annotator.presenters.words import FigureView, kappa_view
from annotator.services import drift_watch
from annotator.services.agreement import learnt_from
from judges.values import Value

NO_VERDICT = "This version has given no verdict on a trace with a label yet."


@dataclass(frozen=True, kw_only=True)
class JudgeRow:
    """One judge in the list."""

    judge: Judge
    state: StateChip
    meter: Meter | None
    kappa: FigureView


@dataclass(frozen=True, kw_only=True)
class _Labelled:
    label: Value
    verdict: Value | None
    of_current: Value | None
    settled_at: datetime
    is_learnt: bool


def judge_rows(judges: Sequence[Judge], *, now: datetime) -> list[JudgeRow]:
    """State, readiness and agreement of each judge; a few queries for all of them."""
    labelled = _labelled(judges)
    problems = drift_watch.problems(judges)
    return [
        _row(judge, labelled[judge.pk], now=now, problem=problems.get(judge.pk, ""))
        for judge in judges
    ]


def _row(judge: Judge, labelled: list[_Labelled], *, now: datetime, problem: str) -> JudgeRow:
    kappa = Figure(value=None, n=0, why="The judge has no version yet.")
    progress = None
    if judge.current_version is not None:
        names = range(len(labelled))
        labels = {str(name): labelled[name].label for name in names}
        verdicts = {
            str(name): verdict
            for name in names
            if (verdict := labelled[name].of_current) is not None and not labelled[name].is_learnt
        }
        if verdicts:
            kappa = compare(labels, verdicts, judge.value_type.choices or None).cohen_kappa
        else:
            kappa = Figure(value=None, n=0, why=NO_VERDICT)
        states = [
            TraceState(
                trace_id=str(name), label=labelled[name].label, verdict=labelled[name].verdict
            )
            for name in names
        ]
        progress = meter(readiness(states, sides=judge.sides, thresholds=judge.thresholds))
    checked_at = max((each.settled_at for each in labelled), default=None)
    return JudgeRow(
        judge=judge,
        state=judge_state(kappa, judge=judge, checked_at=checked_at, now=now, problem=problem),
        meter=progress,
        kappa=kappa_view("Agreement", kappa),
    )


def _labelled(judges: Sequence[Judge]) -> dict[int, list[_Labelled]]:
    verdicts = _verdicts_on_label()
    of_current = verdicts.filter(judge_version=OuterRef("judge__current_version"))
    learnt = learnt_from(judges)
    rows = (
        Label.objects.filter(judge__in=[judge.pk for judge in judges])
        .annotate(
            verdict=Subquery(verdicts.values("value")[:1]),
            of_current=Subquery(of_current.values("value")[:1]),
        )
        .values_list(
            "judge_id",
            "value",
            "verdict",
            "of_current",
            "settled_at",
            "trace_id",
            "judge__current_version",
        )
    )
    found: dict[int, list[_Labelled]] = defaultdict(list)
    for judge, label, verdict, current, settled_at, trace, version in rows:
        found[judge].append(
            _Labelled(
                label=label,
                verdict=verdict,
                of_current=current,
                settled_at=settled_at,
                is_learnt=(version, trace) in learnt,
            )
        )
    return found


def listed_runs(runs: QuerySet[AlignmentRun]) -> QuerySet[AlignmentRun]:
    """Runs for a list, newest first, without the columns that hold whole traces."""
    return (
        runs.select_related(
            "judge__experiment", "judge__current_version", "version_in", "candidate", "started_by"
        )
        .defer("examples", "excluded", "split", "items", "log_lines", "steps", "stages")
        .order_by("-pk")
    )


def _verdicts_on_label() -> QuerySet[Assessment]:
    """The judge's verdicts on the trace of an outer label, newest first."""
    return (
        Assessment.objects.verdicts()
        .filter(trace=OuterRef("trace"), name=OuterRef("judge__name"), span_id="", error_text="")
        .exclude(value=None)
        .order_by("-created_at", "-pk")
    )
