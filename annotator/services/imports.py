"""Files into the database: checked against what is there, and every line that was not taken has its reason."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from django.db import transaction

from annotator.models import Experiment, Judge, Trace, User
from annotator.records import AssessmentRecord, FeedbackRecord, Refusal, TraceRecord
from annotator.services import log
from annotator.services.assessment_rows import CHUNK, Stored, store_assessments
from annotator.services.import_checks import FeedbackCheck, RefusedError, TraceCheck
from annotator.services.judge_drafts import draft_judges
from annotator.services.labels import refresh_labels
from annotator.services.traces import add_traces

DEFAULT_ADJUDICATOR = "adjudicated"
DEFAULT_SOURCE_ID = "ground_truth"

_Record = TypeVar("_Record", TraceRecord, FeedbackRecord)


@dataclass(kw_only=True)
class ImportReport:
    """What became of a file.

    Attributes:
        new: How many traces were not here before.
        updated: How many traces were here with other content.
        unchanged: How many traces were here just so.
        assessments: What became of the assessments.
        judges: Names of the judges that were drafted.
        labels: How many labels were made, changed or removed.
        refused: Every line that was not taken, in the order of the file.
    """

    new: int = 0
    updated: int = 0
    unchanged: int = 0
    assessments: Stored = field(default_factory=Stored)
    judges: list[str] = field(default_factory=list)
    labels: int = 0
    refused: list[Refusal] = field(default_factory=list)


def import_traces(
    *,
    experiment: Experiment,
    records: Iterable[TraceRecord | Refusal],
    adjudicator: str = DEFAULT_ADJUDICATOR,
    name_map: Mapping[str, str] | None = None,
    actor: User | None = None,
) -> ImportReport:
    """Store traces with their assessments, draft judges for new names, and make the labels.

    It works in transactions of 500 traces: an import that was interrupted is completed by another one.

    Args:
        records: What a reader made of the file; refusals go straight into the report.
        adjudicator: The source id whose answer settles a label alone, in the judges that are drafted.
        name_map: Judges' names, by the name in the file.
    """
    report = ImportReport()
    check = TraceCheck(_judges(experiment), name_map or {})
    for chunk in _chunks(records, report):
        taken: list[TraceRecord] = []
        for record in chunk:
            try:
                taken.append(check.checked(record))
            except RefusedError as error:
                report.refused.append(error.at(record.line))
        added = add_traces(experiment=experiment, traces=taken)
        report.new += len(added.new)
        report.updated += len(added.updated)
        report.unchanged += len(added.unchanged)
        report.assessments.add(added.assessments)
        lines = {record.trace_id: record.line for record in taken}
        report.refused += [_elsewhere(trace_id, lines[trace_id]) for trace_id in added.elsewhere]
    with transaction.atomic():
        drafted = draft_judges(
            experiment=experiment, names=check.seen, adjudicator=adjudicator, actor=actor
        )
        report.judges = [judge.name for judge in drafted]
        report.labels = sum(judge.labels.count() for judge in drafted)
        # Also when nothing is new: an import that was interrupted has left labels unmade.
        _refresh(experiment, check.seen - set(report.judges), report)
        _finish(report, experiment=experiment, actor=actor)
    return report


def import_feedback(
    *,
    experiment: Experiment,
    records: Iterable[FeedbackRecord | Refusal],
    judge: Judge | None = None,
    source_id: str = DEFAULT_SOURCE_ID,
    name_map: Mapping[str, str] | None = None,
    actor: User | None = None,
) -> ImportReport:
    """Store people's answers, such as ground truth, on traces that are here, and make the labels.

    Args:
        records: What a reader made of the file; refusals go straight into the report.
        judge: The judge that answers without a name are for; then no other may be named.
        source_id: Who gave the answers that do not say so.
        name_map: Judges' names, by the name in the file.
    """
    report = ImportReport()
    check = FeedbackCheck(
        _judges(experiment), only=judge, source_id=source_id, name_map=name_map or {}
    )
    for chunk in _chunks(records, report):
        pks = dict(
            Trace.objects.filter(
                experiment=experiment, trace_id__in={record.trace_id for record in chunk}
            ).values_list("trace_id", "pk")
        )
        taken: list[tuple[int, AssessmentRecord]] = []
        for record in chunk:
            try:
                taken.append(check.checked(record, pks))
            except RefusedError as error:
                report.refused.append(error.at(record.line))
        with transaction.atomic():
            report.assessments.add(store_assessments(taken))
    with transaction.atomic():
        _refresh(experiment, check.seen, report)
        _finish(report, experiment=experiment, actor=actor)
    return report


def _chunks(records: Iterable[_Record | Refusal], report: ImportReport) -> Iterator[list[_Record]]:
    """The records in chunks; refusals go into the report."""
    remaining = iter(records)
    while part := list(islice(remaining, CHUNK)):
        report.refused += [record for record in part if isinstance(record, Refusal)]
        yield [record for record in part if not isinstance(record, Refusal)]


def _judges(experiment: Experiment) -> list[Judge]:
    return list(
        Judge.objects.filter(experiment=experiment).select_related(
            "current_version", "experiment__team"
        )
    )


def _refresh(experiment: Experiment, names: Collection[str], report: ImportReport) -> None:
    for judge in Judge.objects.filter(experiment=experiment, name__in=names).order_by("name"):
        report.labels += refresh_labels(judge=judge)


def _elsewhere(trace_id: str, line: int) -> Refusal:
    reason = f"The trace “{trace_id}” is in another experiment already; trace ids are unique, so give it another one."
    return Refusal(line=line, field="trace_id", reason=reason)


def _finish(report: ImportReport, *, experiment: Experiment, actor: User | None) -> None:
    report.refused.sort(key=lambda refusal: refusal.line)
    after = {
        "new_traces": report.new,
        "updated_traces": report.updated,
        "new_assessments": report.assessments.new,
        "corrected_assessments": report.assessments.corrected,
        "new_judges": report.judges,
        "labels": report.labels,
    }
    if any(after.values()):
        log.record(
            actor=actor,
            action="imported into",
            target=experiment,
            team=experiment.team,
            name=experiment.name,
            after={**after, "refused_lines": len(report.refused)},
        )
