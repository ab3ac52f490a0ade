"""Finding traces: by what judges and people said of them, by time, and by the words in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, models
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL

from annotator.models.feedback import Assessment, Kind, Source
from annotator.models.hidden import Hidden, hidden_from, visible_labels
from annotator.models.judges import Judge
from annotator.models.people import Role, User
from annotator.models.traces import Experiment, Trace, TraceQuerySet

ANY_VERDICT = "~any"
NO_VERDICT = "~none"
_MOST_WORDS = 20
_MANY = 10_000


class FeedbackState(models.TextChoices):
    """What people have said of a trace."""

    MINE = "mine", "With my feedback"
    ANY = "any", "With anybody's feedback"
    NONE = "none", "Without any feedback"
    DISAGREEMENT = "disagreement", "With a disagreement"


@dataclass(frozen=True, kw_only=True)
class TraceFilter:
    """What a list of traces is narrowed down to; an empty filter narrows down nothing.

    Attributes:
        experiments: The experiments to look in; permission is decided by whoever makes the filter.
        judge: The judge that `verdict` is about.
        verdict: A `value_key`, `ANY_VERDICT` or `NO_VERDICT`.
        label_judge: The judge that `label` is about.
        label: The `value_key` of a label.
        feedback: A `FeedbackState`.
        feedback_judge: Only feedback under this judge's name counts for `feedback`.
        since: The earliest time.
        until: The time before which.
        text: Words that must all occur, or a trace id.
    """

    experiments: tuple[Experiment, ...]
    judge: Judge | None = None
    verdict: str = ""
    label_judge: Judge | None = None
    label: str = ""
    feedback: str = ""
    feedback_judge: Judge | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""

    def traces(self, user: User) -> TraceQuerySet:
        """The traces it lets through, for this user: nobody finds out here what is hidden from them elsewhere."""
        traces = _in_experiments(self.experiments)
        if self.since:
            traces = traces.filter(requested_at__gte=self.since)
        if self.until:
            traces = traces.filter(requested_at__lt=self.until)
        tells = self.verdict or self.label or self.feedback == FeedbackState.DISAGREEMENT
        hidden = hidden_from(user) if tells else Hidden()
        if self.judge and self.verdict:
            traces = _with_verdict(traces, self.judge, self.verdict, hidden)
        if self.label_judge and self.label:
            labels = visible_labels(user, self.label_judge, hidden=hidden)
            traces = among(traces, labels.filter(value_key=self.label))
        if self.feedback:
            traces = _with_feedback(traces, self, user, hidden)
        if self.text:
            traces = _with_words(traces, self.text)
        return traces


def verdicts_in_force(judge: Judge) -> QuerySet[Assessment]:
    """One verdict a trace: the current version's, or else the newest that any other source gave under the name."""
    # Without a join to the traces: whoever uses it looks at the traces of the judge's experiment alone.
    verdicts = Assessment.objects.verdicts().filter(name=judge.name, span_id="")
    rivals = Assessment.objects.verdicts().filter(
        trace=OuterRef("trace"), name=judge.name, span_id=""
    )
    is_beaten = Exists(
        rivals.filter(
            Q(judge_version=judge.current_version_id)
            | Q(created_at__gt=OuterRef("created_at"))
            | Q(created_at=OuterRef("created_at"), pk__gt=OuterRef("pk"))
        )
    )
    return verdicts.filter(Q(judge_version=judge.current_version_id) | ~is_beaten)


def disagreements(
    experiments: Sequence[Experiment], user: User, hidden: Hidden
) -> QuerySet[Assessment]:
    """Valid feedback that differs from somebody else's, or from the current version's verdict.

    Experts learn of a disagreement only where they have answered themselves, and nobody where verdicts are hidden.
    """
    versions = Judge.objects.filter(experiment__in=experiments).values("current_version")
    others = (
        Assessment.objects.valid()
        .filter(trace=OuterRef("trace"), name=OuterRef("name"), kind=Kind.FEEDBACK, span_id="")
        .exclude(value_key="")
        .exclude(value_key=OuterRef("value_key"))
        .filter(Q(source_type=Source.HUMAN) | Q(judge_version__in=versions))
    )
    answers = (
        Assessment.objects.human().filter(span_id="").exclude(value_key="").filter(Exists(others))
    )
    for name, traces in hidden.by_name.items():
        answers = answers.exclude(name=name, trace__in=traces)
    led = [each.pk for each in experiments if user.has_role(each.team_id, Role.LEAD)]
    if len(led) == len(experiments):
        return answers
    own = Assessment.objects.human().filter(
        trace=OuterRef("trace"), name=OuterRef("name"), span_id="", source_id=user.username
    )
    return answers.filter(Q(trace__experiment__in=led) | Exists(own))


def _in_experiments(experiments: tuple[Experiment, ...]) -> TraceQuerySet:
    # One experiment is asked for by `=`, which lets both databases walk its index in the order of the list.
    if len(experiments) == 1:
        return Trace.objects.filter(experiment=experiments[0])
    return Trace.objects.filter(experiment__in=experiments)


def among(traces: TraceQuerySet, rows: QuerySet[Any]) -> TraceQuerySet:
    """Those that one of the rows is about. Both databases walk the list from the newest on, and stop after a page."""
    if connection.vendor == "postgresql":
        return traces.filter(pk__in=rows.values("trace"))
    # SQLite is told how: with many rows, by asking at each trace; with few, by looking each trace up among them.
    found = list(rows.values_list("trace", flat=True)[: _MANY + 1])
    if len(found) > _MANY:
        return traces.filter(Exists(rows.filter(trace=OuterRef("pk"))))
    return _looked_up(traces, RawSQL("SELECT value FROM json_each(%s)", [json.dumps(found)]))


def _looked_up(traces: TraceQuerySet, ids: RawSQL) -> TraceQuerySet:
    # With its primary key in sight SQLite would fetch and sort every match instead of walking the list.
    return traces.alias(hidden_pk=F("pk") + 0).filter(hidden_pk__in=ids)


def _with_verdict(
    traces: TraceQuerySet, judge: Judge, verdict: str, hidden: Hidden
) -> TraceQuerySet:
    traces = traces.filter(experiment=judge.experiment_id)
    of_trace = Assessment.objects.verdicts().filter(
        trace=OuterRef("pk"), name=judge.name, span_id=""
    )
    if verdict == NO_VERDICT:
        return traces.filter(~Exists(of_trace))
    if verdict == ANY_VERDICT:
        return traces.filter(Exists(of_trace))
    verdicts = verdicts_in_force(judge).filter(value_key=verdict)
    return among(traces, verdicts.exclude(trace__in=hidden.traces_of(judge.name)))


def _with_feedback(
    traces: TraceQuerySet, wanted: TraceFilter, user: User, hidden: Hidden
) -> TraceQuerySet:
    answers = Assessment.objects.human()
    if wanted.feedback_judge:
        answers = answers.filter(name=wanted.feedback_judge.name)
        traces = traces.filter(experiment=wanted.feedback_judge.experiment_id)
    if wanted.feedback == FeedbackState.NONE:
        return traces.filter(~Exists(answers.filter(trace=OuterRef("pk"))))
    if wanted.feedback == FeedbackState.MINE:
        answers = answers.filter(source_id=user.username)
    elif wanted.feedback == FeedbackState.DISAGREEMENT:
        answers = answers & disagreements(wanted.experiments, user, hidden)
    return among(traces, answers)


def _with_words(traces: TraceQuerySet, text: str) -> TraceQuerySet:
    # Every word becomes a quoted phrase, so that nothing people type is an operator of either search language.
    words = [
        word for word in text.replace('"', " ").split() if any(letter.isalnum() for letter in word)
    ]
    if not words:
        return traces.none()
    query = " ".join(f'"{word}"' for word in words[:_MOST_WORDS])
    if connection.vendor == "postgresql":
        return traces.filter(
            pk__in=RawSQL(
                "SELECT id FROM annotator_trace WHERE search_vector @@ websearch_to_tsquery('simple', %s)",
                [query],
            )
        )
    return _looked_up(
        traces,
        RawSQL(
            "SELECT rowid FROM annotator_trace_search WHERE annotator_trace_search MATCH %s",
            [query],
        ),
    )
