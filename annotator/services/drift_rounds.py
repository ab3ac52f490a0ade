"""Rounds of checks: what experts say, blind, of a random sample of a judge's verdicts.

A round is a feedback session with the goal DRIFT that has ended. Its label of a trace is what most of the first, blind
answers given in it say; ties say nothing. What is said elsewhere, or after seeing the verdict, is no check.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from alignment.drift import ControlPoint, Round, Tally, control_chart, round_of
from alignment.intervals import Figure
from alignment.judge_agreement import compare
from alignment.labels import LabelRule, Settled, Vote, settle
from alignment.sides import Side
from annotator.models import (
    AlignmentRun,
    Assessment,
    FeedbackSession,
    Goal,
    Judge,
    SessionStatus,
    Source,
    Visibility,
    WorkStatus,
)
from annotator.services import jobs
from annotator.services.jobs import JobError
from judges.values import Value, value_key

logger = logging.getLogger(__name__)

ENDED = (SessionStatus.CLOSED, SessionStatus.SETTLED)


@dataclass(frozen=True, kw_only=True)
class CheckedRound:
    """A round with the session that it was, and its pairs of label and verdict by trace."""

    session: FeedbackSession
    round: Round
    labels: Mapping[str, Value]
    verdicts: Mapping[str, Value]


def rounds_of(judge: Judge) -> list[CheckedRound]:
    """The judge's rounds of checks, oldest first; in four queries, however many there are."""
    sessions = {
        session.pk: session
        for session in FeedbackSession.objects.filter(
            goal=Goal.DRIFT, status__in=ENDED, session_judges__judge=judge
        ).order_by("closed_at", "pk")
    }
    labels = _labels(judge, sessions)
    verdicts = _verdicts(judge, {trace for by_trace in labels.values() for trace in by_trace})
    numbers = dict(judge.versions.values_list("pk", "number"))
    found = []
    for pk, session in sessions.items():
        by_version = _by_version(labels[pk], verdicts, session)
        if not by_version:
            continue
        # One version was in use; where it changed in the middle, the one with more verdicts was checked.
        version, said = max(by_version.items(), key=lambda item: (len(item[1]), item[0]))
        pairs = [
            (value_key(said[trace]) == value_key(label), judge.side_of(label))
            for trace, label in labels[pk].items()
            if trace in said
        ]
        found.append(
            CheckedRound(
                session=session,
                round=round_of(
                    at=session.closed_at or session.created_at,
                    version=numbers[version],
                    pairs=pairs,
                ),
                labels={str(trace): labels[pk][trace] for trace in said},
                verdicts={str(trace): value for trace, value in said.items()},
            )
        )
    return found


def chart_of(judge: Judge, rounds: Sequence[CheckedRound] | None = None) -> list[ControlPoint]:
    """The rounds against their control limits."""
    rounds = rounds_of(judge) if rounds is None else rounds
    return control_chart([each.round for each in rounds], baselines_of(judge))


def kappa_of_current(judge: Judge, rounds: Sequence[CheckedRound]) -> Figure:
    """Cohen's kappa of the version in use with the experts' blind answers of all its rounds."""
    current = judge.current_version.number if judge.current_version else None
    mine = [each for each in rounds if each.round.version == current]
    labels = {f"{each.session.pk} {t}": v for each in mine for t, v in each.labels.items()}
    verdicts = {f"{each.session.pk} {t}": v for each in mine for t, v in each.verdicts.items()}
    value_type = judge.value_type
    return compare(
        labels, verdicts, value_type.choices or None, ordered=value_type.ordered
    ).cohen_kappa


def _labels(judge: Judge, sessions: Iterable[int]) -> dict[int, dict[int, Value]]:
    rows = (
        Assessment.objects.filter(
            assignment__item__session__in=list(sessions),
            assignment__item__is_warm_up=False,
            name=judge.name,
            source_type=Source.HUMAN,
            visibility=Visibility.BLIND,
            withdrawn_at=None,
            span_id="",
        )
        .exclude(value=None)
        .order_by("created_at", "pk")
        .values_list("assignment__item__session", "trace_id", "source_id", "value", "created_at")
    )
    first: dict[tuple[int, int], dict[str, Vote]] = defaultdict(dict)
    for session, trace, person, value, at in rows:
        if value is not None:
            vote = Vote(source_id=person, value=value, created_at=at)
            first[session, trace].setdefault(person, vote)
    labels: dict[int, dict[int, Value]] = defaultdict(dict)
    for (session, trace), votes in first.items():
        settled = settle(votes.values(), LabelRule.MAJORITY)
        if isinstance(settled, Settled):
            labels[session][trace] = settled.value
    return labels


def _verdicts(judge: Judge, traces: Iterable[int]) -> dict[int, list[tuple[datetime, int, Value]]]:
    rows = Assessment.objects.filter(
        judge_version__judge=judge, trace__in=list(traces), span_id="", error_text=""
    ).order_by("created_at", "pk")
    given: dict[int, list[tuple[datetime, int, Value]]] = defaultdict(list)
    for trace, at, version, value in rows.values_list(
        "trace_id", "created_at", "judge_version_id", "value"
    ):
        if value is not None and version is not None:
            given[trace].append((at, version, value))
    return given


def _by_version(
    labels: Mapping[int, Value],
    verdicts: Mapping[int, list[tuple[datetime, int, Value]]],
    session: FeedbackSession,
) -> dict[int, dict[int, Value]]:
    """Per version its newest verdict on each labelled trace up to the end of the session."""
    end = session.closed_at or timezone.now()
    by_version: dict[int, dict[int, Value]] = defaultdict(dict)
    for trace in labels:
        for at, version, value in verdicts.get(trace, ()):
            if at <= end:
                by_version[version][trace] = value
    return by_version


def baselines_of(judge: Judge) -> dict[int, tuple[Tally, dict[Side, Tally]]]:
    """What the held-out tests of alignment runs said of each version."""
    known: dict[int, tuple[Tally, dict[Side, Tally]]] = {}
    runs = judge.runs.filter(status=WorkStatus.SUCCEEDED).exclude(
        trigger=AlignmentRun.Trigger.REPEAT
    )
    for items, before, after in runs.order_by("pk").values_list(
        "items", "version_in__number", "candidate__number"
    ):
        for number, key in ((before, "before"), (after, "after")):
            if number and items:
                tested = [
                    (item[key] == item["label"], judge.side_of(item["label"])) for item in items
                ]
                made = round_of(at=timezone.now(), version=number, pairs=tested)
                known[number] = (made.total, dict(made.by_side))
    return known


def ask_for_verdicts(session: FeedbackSession) -> None:
    """Have the judges judge the traces of a round that their versions in use have not judged yet.

    A check of a verdict needs one, and a random sample of traces must not leave out those that nobody had judged.
    """
    traces = list(session.items.values_list("trace_id", flat=True))
    for each in session.session_judges.select_related("judge__current_version"):
        version = each.judge.current_version
        if version is None or not version.model:
            continue
        done = set(
            Assessment.objects.verdicts()
            .filter(judge_version=version, trace__in=traces, span_id="")
            .values_list("trace_id", flat=True)
        )
        missing = [trace for trace in traces if trace not in done]
        if not missing:
            continue
        try:
            jobs.start_job(actor=None, version=version, traces=missing)
        except JobError as error:  # it is running over traces already, perhaps over these
            logger.info("Session %s waits for no job of its own: %s", session.pk, error)
