"""Traces for programs: looked up among the caller's, waited for while they are on their way, and encoded."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.conf import settings

from annotator.ingest import assessments, span_json, trace_info
from annotator.models import Assessment, Span, Trace, TraceState
from annotator.services.tokens import Caller

_POLL_SECONDS = 0.05
_UNKNOWN_SECONDS = 1.0
# Of the threads of a process so many may wait for traces; the others go on answering.
_waiters = threading.BoundedSemaphore(4)


def visible_trace(caller: Caller, trace_id: str) -> Trace | None:
    """The trace, if it is in an experiment of the caller's team."""
    if "\0" in trace_id:
        return None  # no id has one, and PostgreSQL refuses to look for it
    traces = Trace.objects.visible_to(caller.user).select_related("experiment__team")
    return traces.filter(trace_id=trace_id).first()


def awaited_trace(caller: Caller, trace_id: str) -> Trace | None:
    """The trace, once all of it is here.

    A program reads what it has just sent, by another connection, and in its first second the parts may still be on
    their way. So a trace that is known to lack spans is waited for up to INGEST_WAIT_SECONDS, an unknown one for a
    third of that; then comes what there is.
    """
    trace = visible_trace(caller, trace_id)
    if trace is not None and is_complete(trace):
        return trace
    if not _waiters.acquire(blocking=False):
        return trace
    try:
        began = time.monotonic()
        while True:
            limit = settings.INGEST_WAIT_SECONDS / (3 if trace is None else 1)
            if time.monotonic() - began >= limit:
                return trace
            time.sleep(_POLL_SECONDS)
            trace = visible_trace(caller, trace_id)
            if trace is not None and is_complete(trace):
                return trace
    finally:
        _waiters.release()


def is_complete(trace: Trace) -> bool:
    """Whether as many spans are here as its client counted; of a trace that says nothing, whatever is here is all."""
    if not trace.can_be_read_here:
        return False
    expected = expected_spans(trace)
    return expected == 0 or Span.objects.filter(trace=trace).count() >= expected


def expected_spans(trace: Trace) -> int:
    """How many spans the client counted; 0 when it did not say."""
    try:
        stats = json.loads(trace.metadata.get("mlflow.trace.sizeStats") or "{}")
        count = stats.get("num_spans") if isinstance(stats, dict) else 0
    except (TypeError, ValueError, RecursionError):
        return 0
    return count if isinstance(count, int) else 0


def span_rows(traces: Sequence[Trace]) -> dict[int, list[span_json.Row]]:
    """The spans of each trace by its key, the root first and then by time; without an object for each."""
    found: dict[int, list[span_json.Row]] = defaultdict(list)
    rows = Span.objects.filter(trace__in=traces).order_by("start_ns", "pk")
    for row in rows.values("trace_id", *span_json.COLUMNS):
        found[row["trace_id"]].append(row)
    return {
        trace.pk: sorted(found[trace.pk], key=lambda row: bool(row["parent_id"]))
        or _stand_in(trace)
        for trace in traces
    }


def encode_with_spans(
    caller: Caller, traces: Sequence[Trace], *, incomplete: bool
) -> list[dict[str, Any]]:
    """Traces as `traces/get` gives them, in their order.

    Args:
        incomplete: Whether those go along that lack spans.
    """
    rows = span_rows(traces)
    taken = [
        trace
        for trace in traces
        if incomplete or len(rows[trace.pk]) >= max(1, expected_spans(trace))
    ]
    return [
        {
            "trace_info": info,
            "spans": [span_json.encode(trace.trace_id, row) for row in rows[trace.pk]],
        }
        for trace, info in zip(taken, encode_infos(caller, taken), strict=True)
    ]


def encode_infos(caller: Caller, traces: Sequence[Trace]) -> list[dict[str, Any]]:
    """TraceInfos with all their assessments."""
    # Who may see what takes long to ask, and of a trace that has just come nobody has said anything.
    pks = [trace.pk for trace in traces]
    is_said = Assessment.objects.filter(trace__in=pks).exists()
    said = assessments.of_traces(caller.user, traces) if is_said else {}
    return [trace_info.encode(trace, assessments=said.get(trace.pk, ())) for trace in traces]


def _stand_in(trace: Trace) -> list[span_json.Row]:
    if not trace.can_be_read_here:
        return []
    start_ns = int(trace.requested_at.timestamp() * 1000) * 10**6
    name = trace.tags.get("mlflow.traceName")
    return [
        span_json.root_of(
            trace.trace_id,
            name=name if isinstance(name, str) and name else "trace",
            start_ns=start_ns,
            end_ns=start_ns + (trace.duration_ms or 0) * 10**6,
            inputs=trace.inputs,
            outputs=trace.outputs,
            is_error=trace.state == TraceState.ERROR,
        )
    ]
