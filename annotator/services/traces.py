"""Traces from outside: stored in bulk, so that sending one twice, late or in parts does no harm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction

from annotator.models import Experiment, Span, Trace
from annotator.records import TraceRecord
from annotator.services.assessment_rows import CHUNK, Stored, store_assessments
from annotator.services.trace_facts import store_facts
from annotator.services.trace_text import previews_and_text
from judges import entities

_GIVEN = (
    "state",
    "requested_at",
    "duration_ms",
    "inputs",
    "outputs",
    "tags",
    "metadata",
    "conversation_id",
)
_DERIVED = ("request_preview", "response_preview", "search_text")
_SPAN_COLUMNS = (
    "parent_id",
    "name",
    "span_type",
    "start_ns",
    "end_ns",
    "inputs",
    "outputs",
    "status",
    "status_message",
    "attributes",
)


@dataclass(kw_only=True)
class AddedTraces:
    """What became of traces.

    Attributes:
        new: Trace ids that were not here before.
        updated: Trace ids that were here with other content.
        unchanged: Trace ids that were here just so.
        elsewhere: Trace ids that belong to another experiment; nothing of them was taken.
        assessments: What became of their assessments.
    """

    new: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    assessments: Stored = field(default_factory=Stored)


def add_traces(*, experiment: Experiment, traces: Sequence[TraceRecord]) -> AddedTraces:
    """Store traces with their spans and assessments, in transactions of at most 500 traces.

    A known trace gets what the record gives and keeps the rest; nothing is ever deleted. Labels are not refreshed: the
    caller does that once, after its last call.

    Args:
        experiment: Where new traces go.
        traces: No two with the same trace id.
    """
    added = AddedTraces()
    for start in range(0, len(traces), CHUNK):
        chunk = traces[start : start + CHUNK]
        try:
            _add_chunk(experiment, chunk, added)
        except IntegrityError:
            # Somebody else has just stored one of them; now it is seen as known.
            _add_chunk(experiment, chunk, added)
    return added


def _add_chunk(experiment: Experiment, chunk: Sequence[TraceRecord], added: AddedTraces) -> None:
    records = {record.trace_id: record for record in chunk}
    with transaction.atomic():
        known = {trace.trace_id: trace for trace in Trace.objects.filter(trace_id__in=records)}
        elsewhere = [
            trace_id for trace_id, trace in known.items() if trace.experiment_id != experiment.pk
        ]
        for trace_id in elsewhere:
            del known[trace_id], records[trace_id]
        missing = [record for trace_id, record in records.items() if trace_id not in known]
        created = Trace.objects.bulk_create(
            [_new_trace(experiment, record) for record in missing], batch_size=CHUNK
        )
        changed = {
            trace_id for trace_id, trace in known.items() if _take_over(trace, records[trace_id])
        }
        Trace.objects.bulk_update(
            [known[trace_id] for trace_id in sorted(changed)], [*_GIVEN, *_DERIVED], batch_size=100
        )
        store_facts(
            [*created, *(known[trace_id] for trace_id in sorted(changed))],
            new={trace.pk for trace in created},
        )
        pks = {trace.trace_id: trace.pk for trace in (*known.values(), *created)}
        changed |= _store_spans(pks, records, new={trace.trace_id for trace in created})
        assessments = store_assessments(
            [
                (pks[record.trace_id], assessment)
                for record in records.values()
                for assessment in record.assessments
            ]
        )
    added.new += [record.trace_id for record in missing]
    added.updated += sorted(changed)
    added.unchanged += [trace_id for trace_id in known if trace_id not in changed]
    added.elsewhere += elsewhere
    added.assessments.add(assessments)


def _new_trace(experiment: Experiment, record: TraceRecord) -> Trace:
    given = {name: value for name in _GIVEN if (value := getattr(record, name)) is not None}
    trace = Trace(experiment=experiment, trace_id=record.trace_id, **given)
    _derive(trace)
    return trace


def _take_over(trace: Trace, record: TraceRecord) -> bool:
    """Put what the record gives into a known trace; whether that changed anything."""
    differing: dict[str, Any] = {
        name: value
        for name in _GIVEN
        if (value := getattr(record, name)) is not None
        and not _is_same(getattr(trace, name), value)
    }
    for name, value in differing.items():
        setattr(trace, name, value)
    if differing:
        _derive(trace)
    return bool(differing)


def _derive(trace: Trace) -> None:
    trace.request_preview, trace.response_preview, trace.search_text = previews_and_text(
        trace.inputs, trace.outputs
    )


def _store_spans(
    pks: dict[str, int], records: dict[str, TraceRecord], *, new: set[str]
) -> set[str]:
    """Store the spans that are new or differ; the ids of the known traces among theirs."""
    with_spans = [record for record in records.values() if record.spans]
    if not with_spans:
        return set()
    known_pks = [pks[record.trace_id] for record in with_spans if record.trace_id not in new]
    known = {
        (span.trace_id, span.span_id): span for span in Span.objects.filter(trace__in=known_pks)
    }
    rows: list[Span] = []
    changed: set[str] = set()
    for record in with_spans:
        trace = pks[record.trace_id]
        for span in record.spans:
            row = _span_row(trace, span)
            before = known.get((trace, span.span_id))
            if before and all(
                _is_same(getattr(before, name), getattr(row, name)) for name in _SPAN_COLUMNS
            ):
                continue
            rows.append(row)
            changed.add(record.trace_id)
    Span.objects.bulk_create(
        rows,
        batch_size=CHUNK,
        update_conflicts=True,
        unique_fields=["trace", "span_id"],
        update_fields=list(_SPAN_COLUMNS),
    )
    Trace.objects.filter(pk__in={row.trace_id for row in rows}, has_spans=False).update(
        has_spans=True
    )
    return changed - new


def _span_row(trace: int, span: entities.Span) -> Span:
    return Span(
        trace_id=trace,
        span_id=span.span_id,
        **{name: getattr(span, name) for name in _SPAN_COLUMNS},
    )


def _is_same(before: Any, after: Any) -> bool:
    # By text, because NaN in what a trace carries differs from itself.
    return bool(before == after) or repr(before) == repr(after)
