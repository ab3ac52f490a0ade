"""The workbench: rows of disagreements with what everybody said, and clusters of rows that look alike."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotator.models import Assessment, Judge, Label, Source, Trace
from annotator.presenters.words import percent
from annotator.services.disagreements import DisagreementRow

MOST_CLUSTERS = 8
# Fewer rows than this are no cluster.
LEAST_ALIKE = 2


@dataclass(frozen=True, kw_only=True)
class Said:
    """A value and how many people gave it."""

    value: Any
    count: int


@dataclass(frozen=True, kw_only=True)
class WorkbenchRow:
    """One disagreement as the list shows it."""

    row: DisagreementRow
    trace: Trace
    said: tuple[Said, ...]
    verdict: Assessment | None
    label: Label | None


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Rows that look alike: a pair of values or a tag, how many there are, and how many of them are open."""

    parts: tuple[str, ...]
    count: int
    open: int


@dataclass(frozen=True, kw_only=True)
class Totals:
    """How many disagreements there are, of which kind, and how many have a cause."""

    total: int
    open: int
    waiting: int
    unsettled: int
    among_people: int
    with_judge: int
    by_cause: Mapping[str, int]

    @property
    def with_cause(self) -> int:
        """How many have a cause recorded."""
        return sum(self.by_cause.values())

    @property
    def share(self) -> str:
        """The share with a cause, in per cent; empty without any disagreement."""
        return percent(self.with_cause / self.total) if self.total else ""


def totals_of(rows: Iterable[DisagreementRow]) -> Totals:
    """The figures over the list."""
    listed = list(rows)
    return Totals(
        total=len(listed),
        open=sum(row.is_open for row in listed),
        waiting=sum(row.is_waiting for row in listed),
        unsettled=sum(not row.has_label for row in listed),
        among_people=sum(row.disagreement.among_people for row in listed),
        with_judge=sum(row.disagreement.with_judge for row in listed),
        by_cause=Counter(row.cause.cause for row in listed if row.cause),
    )


def clusters_of(
    rows: Iterable[DisagreementRow],
    parts_of: Callable[[DisagreementRow], Iterable[tuple[str, ...]]],
) -> list[Cluster]:
    """The rows that have something in common, the largest cluster first."""
    alike: dict[tuple[str, ...], list[DisagreementRow]] = defaultdict(list)
    for row in rows:
        for parts in parts_of(row):
            alike[parts].append(row)
    found = [
        Cluster(parts=parts, count=len(alike_rows), open=sum(row.is_open for row in alike_rows))
        for parts, alike_rows in alike.items()
        if len(alike_rows) >= LEAST_ALIKE
    ]
    return sorted(found, key=lambda each: (-each.count, each.parts))[:MOST_CLUSTERS]


def workbench_rows(judge: Judge, rows: Sequence[DisagreementRow]) -> list[WorkbenchRow]:
    """The rows of a page with what was said on their traces; in three queries."""
    pks = [row.trace_pk for row in rows]
    traces = Trace.objects.without_content().in_bulk(pks)
    labels = {label.trace_id: label for label in Label.objects.filter(judge=judge, trace__in=pks)}
    said: dict[int, list[Assessment]] = defaultdict(list)
    for assessment in said_on(judge, pks):
        said[assessment.trace_id].append(assessment)
    return [
        WorkbenchRow(
            row=row,
            trace=traces[row.trace_pk],
            said=tuple(_counted(said[row.trace_pk])),
            verdict=verdict_of(judge, said[row.trace_pk]),
            label=labels.get(row.trace_pk),
        )
        for row in rows
        if row.trace_pk in traces
    ]


def said_on(judge: Judge, traces: Sequence[int]) -> list[Assessment]:
    """Valid answers and verdicts under the judge's name on these traces, oldest first."""
    return list(
        Assessment.objects.valid()
        .for_judge(judge)
        .filter(trace__in=traces, kind="FEEDBACK", span_id="")
        .exclude(source_type=Source.CODE)
        .select_related("author", "guideline", "judge_version", "assignment", "first_answer")
        .order_by("created_at", "pk")
    )


def verdict_of(judge: Judge, said: Iterable[Assessment]) -> Assessment | None:
    """The verdict of the version in use, or of a judge outside where ours gave none."""
    verdicts = [row for row in said if row.source_type == Source.LLM_JUDGE and not row.error_text]
    current = [row for row in verdicts if row.judge_version_id == judge.current_version_id]
    outside = [row for row in verdicts if row.judge_version_id is None]
    return next(reversed([*outside, *current]), None)


def _counted(said: Iterable[Assessment]) -> Iterable[Said]:
    answers = [row for row in said if row.source_type == Source.HUMAN]
    values = {row.value_key: row.value for row in answers}
    for key, count in Counter(row.value_key for row in answers).most_common():
        yield Said(value=values[key], count=count)
