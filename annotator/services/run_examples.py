"""What a run learns from and is tested on: frozen when it starts, so that a later correction does not change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from alignment.labels import Example
from alignment.sides import Sides
from alignment.split import groups_of
from annotator.models import Assessment, Judge, Kind, Trace
from annotator.services.readiness import LabelledTrace
from judges.entities import Trace as DomainTrace


def freeze(judge: Judge, usable: Sequence[LabelledTrace]) -> list[dict[str, Any]]:
    """The labelled traces as they are now, ready for JSON."""
    variables = (
        judge.current_version.to_domain().variables if judge.current_version else frozenset()
    )
    needs_spans = bool(variables & {"trace", "conversation"})
    traces = Trace.objects.filter(pk__in=[item.trace_pk for item in usable])
    if needs_spans:
        traces = traces.prefetch_related("spans")
    by_pk = traces.in_bulk()
    expectations: dict[int, list[dict[str, Any]]] = {}
    if "expectations" in variables:
        rows = Assessment.objects.valid().filter(kind=Kind.EXPECTATION, trace__in=by_pk)
        for row in rows.order_by("created_at", "pk"):
            expectations.setdefault(row.trace_id, []).append(
                {
                    "type": "expectation",
                    "name": row.name,
                    "value": row.value,
                    "source_type": row.source_type,
                    "source_id": row.source_id,
                }
            )
    frozen = []
    for item in usable:
        trace = by_pk[item.trace_pk]
        domain = trace.to_domain(spans=needs_spans)
        frozen.append(
            {
                "trace": {
                    "trace_id": trace.trace_id,
                    "inputs": trace.inputs,
                    "outputs": trace.outputs,
                    "metadata": {**trace.metadata, "conversation_id": trace.conversation_id}
                    if trace.conversation_id
                    else trace.metadata,
                    "tags": trace.tags,
                    "spans": [asdict(span) for span in domain.spans],
                    "assessments": expectations.get(trace.pk, []),
                },
                "value": item.value,
                "rationale": item.rationale,
                "verdict": item.verdict,
                "votes": item.votes,
            }
        )
    return frozen


def thaw(rows: Sequence[dict[str, Any]], sides: Sides) -> list[Example]:
    """The examples that `freeze` kept."""
    traces = [DomainTrace.from_dict(row["trace"]) for row in rows]
    groups = groups_of(traces)
    return [
        Example(
            trace=trace,
            value=row["value"],
            rationale=row["rationale"],
            side=sides.side_of(row["value"]),
            verdict_value=row["verdict"],
            group=groups[trace.trace_id],
            votes=row.get("votes", {}),
        )
        for trace, row in zip(traces, rows, strict=True)
    ]
