"""Readiness of a judge, and the examples that an alignment would take: the same set, by the same query."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.db import models
from django.db.models import Q

from alignment.labels import Settled
from alignment.readiness import Readiness, TraceState, readiness
from annotator.models import Assessment, Judge, Settlement, Trace, User
from annotator.models.feedback import AssessmentQuerySet
from annotator.models.hidden import hidden_from
from annotator.services.labels import parser, settler, votes_by_trace
from judges.values import InvalidValueError, Value, ValueKind

REVIEW_POOL = 500
TEXT_HAS_NO_SIDES = "free text is neither positive nor negative; to align the judge, give it categories, yes or no, or a number"


@dataclass(frozen=True, kw_only=True)
class LabelledTrace:
    """A trace that teaches: its label, people's reasons and answers, and the verdict it stands against."""

    trace_pk: int
    trace_id: str
    value: Value
    rationale: str
    verdict: Value
    votes: dict[str, Value]


def labelled_verdicts(judge: Judge) -> dict[int, Value]:
    """The newest valid verdict under the judge's name, whichever version gave it, on each trace people answered.

    One that is none of the judge's values any more counts for nothing: the judge has to look at that trace again.
    """
    rows = (
        Assessment.objects.verdicts()
        .for_judge(judge)
        .filter(span_id="", error_text="", trace__in=_reviewed(judge))
        .exclude(value=None)
        .order_by("created_at", "pk")
        .values_list("trace_id", "value")
    )
    parse = parser(judge.value_type)
    fitting: dict[int, Value] = {}
    for trace, value in dict(rows).items():
        if value is None:
            continue
        try:
            fitting[trace] = parse(value)
        except InvalidValueError:
            continue
    return fitting


def labelled_traces(judge: Judge) -> tuple[list[LabelledTrace], list[TraceState]]:
    """The traces that would be aligned, and every trace with feedback as the readiness counts it."""
    votes = votes_by_trace(judge)
    verdicts = labelled_verdicts(judge)
    names = dict(Trace.objects.filter(pk__in=_reviewed(judge)).values_list("pk", "trace_id"))
    settle_all = settler(judge)
    usable: list[LabelledTrace] = []
    states: list[TraceState] = []
    for pk, answers in sorted(votes.items()):
        if pk not in names:
            continue  # its feedback was withdrawn between the queries
        settled = settle_all(answers)
        verdict = verdicts.get(pk)
        if not isinstance(settled, Settled):
            states.append(TraceState(trace_id=names[pk], no_label=settled.reason, verdict=verdict))
            continue
        states.append(TraceState(trace_id=names[pk], label=settled.value, verdict=verdict))
        if verdict is not None:
            usable.append(
                LabelledTrace(
                    trace_pk=pk,
                    trace_id=names[pk],
                    value=settled.value,
                    rationale=settled.rationale,
                    verdict=verdict,
                    votes={
                        vote.source_id: vote.value for vote in answers if vote.value is not None
                    },
                )
            )
    return usable, states


def readiness_of(judge: Judge) -> Readiness:
    """How far the judge's labels are, and which traces to review next.

    Traces without any feedback are far too many to list: the latest judged stand for them.
    """
    _, states = labelled_traces(judge)
    return readiness_from(judge, states)


def readiness_from(judge: Judge, states: list[TraceState]) -> Readiness:
    """The same from the traces that `labelled_traces` told of, so that its numbers are those of the usable ones."""
    pool = [TraceState(trace_id=trace_id, verdict=value) for trace_id, value in _unreviewed(judge)]
    state = readiness([*states, *pool], sides=judge.sides, thresholds=judge.thresholds)
    if judge.value_type.kind is ValueKind.TEXT:
        return replace(state, missing=[TEXT_HAS_NO_SIDES])
    return state


def review_next(
    *, judge: Judge, user: User, limit: int = 20, state: Readiness | None = None
) -> list[str]:
    """Trace ids that the user would help most by reviewing: those whose side is missing first.

    Args:
        state: The judge's readiness, if it is known already.
    """
    done = set(
        Assessment.objects.human()
        .for_judge(judge)
        .filter(Q(author=user) | Q(source_id=user.username), span_id="")
        .values_list("trace__trace_id", flat=True)
    )
    # The list around a trace is one of equal verdicts, so that it would tell the verdict.
    hidden = hidden_from(user).traces_of(judge.name)
    done |= set(Trace.objects.filter(pk__in=hidden).values_list("trace_id", flat=True))
    state = state or readiness_of(judge)
    return [trace for trace in state.review_next if trace not in done][:limit]


def _reviewed(judge: Judge) -> models.QuerySet[Assessment, int]:
    """Traces that somebody answered, or whose label somebody settled before the answers were withdrawn."""
    answers = Assessment.objects.human().for_judge(judge).filter(span_id="")
    settled = Settlement.objects.in_force().filter(judge=judge)
    return answers.values_list("trace_id", flat=True).union(
        settled.values_list("trace_id", flat=True)
    )


def review_pool(judge: Judge) -> AssessmentQuerySet:
    """The latest verdicts on traces with nobody's answer, newest first: what there is to review next."""
    return (
        Assessment.objects.verdicts()
        .for_judge(judge)
        .filter(span_id="", error_text="")
        .exclude(value=None)
        .exclude(trace__in=_reviewed(judge))
        .order_by("-pk")[: 2 * REVIEW_POOL]
    )


def _unreviewed(judge: Judge) -> list[tuple[str, Value]]:
    """Traces with a verdict and nobody's answer, the latest judged first."""
    newest: dict[str, Value] = {}
    # Several versions may have judged one trace.
    for trace_id, value in review_pool(judge).values_list("trace__trace_id", "value"):
        if value is not None:
            newest.setdefault(trace_id, value)
    return list(newest.items())[:REVIEW_POOL]
