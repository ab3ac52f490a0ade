"""What a run learns from and is tested on: frozen when it starts, so that a later correction does not change it."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, replace
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
                    "metadata": _metadata(trace),
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


def kin_of(rows: Sequence[dict[str, Any]], held_out: AbstractSet[str], *, judge: Judge) -> set[str]:
    """The frozen traces that are of one group with a trace held out earlier, be that one labelled still or not.

    A held-out trace that has lost its label, or was deleted and imported again under another name, is not among the
    labels; what is of its conversation or has its inputs must not be learnt from all the same.
    """
    frozen = [DomainTrace.from_dict({**row["trace"], "spans": []}) for row in rows]
    missing = held_out - {trace.trace_id for trace in frozen}
    if not missing:
        return set()
    groups = groups_of([*frozen, *_content_of(missing, judge)])
    held_groups = {groups[name] for name in held_out if name in groups}
    return {trace.trace_id for trace in frozen if groups[trace.trace_id] in held_groups}


def _content_of(trace_ids: AbstractSet[str], judge: Judge) -> list[DomainTrace]:
    """The traces as they are, or where they are gone as the last run that had them froze them."""
    found = {
        trace.trace_id: replace(trace.to_domain(spans=False), metadata=_metadata(trace))
        for trace in judge.experiment.traces.filter(trace_id__in=trace_ids)
    }
    gone = trace_ids - found.keys()
    for examples in judge.runs.order_by("-pk").values_list("examples", flat=True).iterator():
        if gone <= found.keys():
            break
        for row in examples:
            name = row["trace"]["trace_id"]
            if name in gone and name not in found:
                found[name] = DomainTrace.from_dict({**row["trace"], "spans": []})
    return list(found.values())


def _metadata(trace: Trace) -> dict[str, Any]:
    conversation = {"conversation_id": trace.conversation_id} if trace.conversation_id else {}
    return {**trace.metadata, **conversation}


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
