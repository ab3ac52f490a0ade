"""What clients deliver of traces: spans and descriptions of the whole, in any order, in parts, twice and at once.

Nothing of it is written to the activity log: a trace says itself when it came, and there may be hundreds in a second.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import IntegrityError, OperationalError, transaction

from annotator.models import Experiment, Trace, TraceState
from annotator.records import SpanRecord, TraceInfoRecord
from annotator.services import span_facts
from annotator.services.bulk import (
    locked_traces,
    span_row,
    write_changes,
    write_facts,
    write_spans,
    write_traces,
)
from annotator.services.group_commit import GroupCommit
from annotator.services.trace_text import previews_and_text
from judges.answers import clean_text

WAIT_SECONDS = 90  # for a locked database; the client waits for two minutes
SESSION = "mlflow.trace.session"
_GUESSABLE_METADATA = (SESSION, "mlflow.trace.user", "mlflow.sourceRun")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ATTEMPTS = 5
_PREVIEW_LENGTH = 1000
_CHANGING = (
    *("state", "requested_at", "duration_ms", "inputs", "outputs", "request_preview"),
    *("response_preview", "sent_request_preview", "sent_response_preview", "tags", "metadata"),
    *("conversation_id", "client_request_id", "search_text", "started", "has_spans", "guessed"),
)


class ElsewhereError(ValueError):
    """The trace is in an experiment where this client cannot add to it."""


@dataclass(kw_only=True)
class _Delivery:
    """What one request brings.

    Attributes:
        rows: The spans as rows, in the order of `spans`.
        error: Why nothing of it was taken.
        trace: The trace that `info` is about, once it is stored.
    """

    experiment: Experiment
    spans: Sequence[SpanRecord] = ()
    rows: Sequence[tuple[Any, ...]] = ()
    info: TraceInfoRecord | None = None
    error: ElsewhereError | None = None
    trace: Trace | None = None


@dataclass(kw_only=True)
class _Draft:
    """A trace in the making.

    Attributes:
        trace: The row, perhaps without a key yet.
        before: What the row said, by column; empty for a new one.
        rows: Rows of spans by span id; of a span that came twice the later one.
    """

    trace: Trace
    before: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, tuple[Any, ...]] = field(default_factory=dict)


def store_spans(*, experiment: Experiment, spans: Sequence[SpanRecord]) -> None:
    """Store spans, and with them traces that are not here yet. A span that is here already is replaced.

    A trace of the same team keeps its experiment: programs that share a trace may write to different ones.

    Args:
        experiment: Where new traces go; with its team.

    Raises:
        ElsewhereError: when one of the traces is another team's; then nothing is stored.
    """
    if spans:
        rows = [span_row(span) for span in spans]
        _deliver(_Delivery(experiment=experiment, spans=spans, rows=rows))


def start_trace(*, experiment: Experiment, info: TraceInfoRecord) -> Trace:
    """Store what a client says of a whole trace; it beats what spans let us assume. Doing it twice changes nothing.

    Args:
        experiment: Where the trace is; with its team.

    Returns:
        The trace as it is now, with its experiment.

    Raises:
        ElsewhereError: when the trace is in another experiment.
    """
    delivery = _Delivery(experiment=experiment, info=info)
    _deliver(delivery)
    if delivery.trace is None:
        raise AssertionError("a delivery that was written has its trace")
    return delivery.trace


def _deliver(delivery: _Delivery) -> None:
    if transaction.get_connection().in_atomic_block:
        _write([delivery])  # what the caller's transaction holds, others must not wait for
    else:
        _group_commit(delivery)
    if delivery.error is not None:
        raise delivery.error


def _write(deliveries: Sequence[_Delivery]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with transaction.atomic():
                _write_all(deliveries)
        except IntegrityError:
            # Another process has stored one of the traces just now: next time it is known.
            if attempt == _ATTEMPTS:
                raise
        except OperationalError:
            # Locked for longer than the database itself waits, or a deadlock that the database has ended.
            if attempt == _ATTEMPTS or time.monotonic() > deadline:
                raise
        else:
            return


def _write_all(deliveries: Sequence[_Delivery]) -> None:
    drafts = _known(deliveries)
    for delivery in deliveries:
        delivery.error = _objection(delivery, drafts)
        if delivery.error is None:
            _take(delivery, drafts)
    new = [draft.trace for _, draft in sorted(drafts.items()) if not draft.before]
    known = [draft for _, draft in sorted(drafts.items()) if draft.before]
    for trace in new:
        _derive(trace)
    write_traces(new)
    write_facts(new)
    for draft in known:
        _update(draft)
    write_spans(
        (draft.trace.pk, row) for _, draft in sorted(drafts.items()) for row in draft.rows.values()
    )


def _known(deliveries: Sequence[_Delivery]) -> dict[str, _Draft]:
    """The traces that are here already, locked in one order so that no two writers wait for each other."""
    ids = {span.trace_id for delivery in deliveries for span in delivery.spans}
    ids |= {delivery.info.trace_id for delivery in deliveries if delivery.info}
    drafts: dict[str, _Draft] = {}
    for trace in locked_traces(ids):
        before = {name: getattr(trace, name) for name in _CHANGING}
        trace.guessed = json.loads(json.dumps(trace.guessed))  # changed in place from here on
        drafts[trace.trace_id] = _Draft(trace=trace, before=before)
    return drafts


def _objection(delivery: _Delivery, drafts: dict[str, _Draft]) -> ElsewhereError | None:
    for trace_id in {span.trace_id for span in delivery.spans}:
        draft = drafts.get(trace_id)
        if draft and not _is_of_the_team(draft.trace, delivery.experiment):
            return ElsewhereError(
                f"The trace {trace_id} cannot be written to; its id is in use. Nothing was stored."
            )
    known = drafts.get(delivery.info.trace_id) if delivery.info else None
    if known and known.trace.experiment_id != delivery.experiment.pk:
        return ElsewhereError(
            f"The trace {known.trace.trace_id} is not in the experiment {delivery.experiment.wire_id}; its id is in "
            "use. Nothing was stored."
        )
    return None


def _is_of_the_team(trace: Trace, experiment: Experiment) -> bool:
    # the trace's own experiment is nearly always this one, and then need not be loaded
    return trace.experiment_id == experiment.pk or trace.experiment.team_id == experiment.team_id


def _take(delivery: _Delivery, drafts: dict[str, _Draft]) -> None:
    by_trace: dict[str, list[SpanRecord]] = {}
    for span, row in zip(delivery.spans, delivery.rows, strict=True):
        by_trace.setdefault(span.trace_id, []).append(span)
        _draft(span.trace_id, delivery, drafts).rows[span.span_id] = row
    for trace_id, spans in by_trace.items():
        _take_spans(drafts[trace_id].trace, spans)
    if delivery.info:
        delivery.trace = _draft(delivery.info.trace_id, delivery, drafts).trace
        delivery.trace.experiment = delivery.experiment
        _take_info(delivery.trace, delivery.info)


def _draft(trace_id: str, delivery: _Delivery, drafts: dict[str, _Draft]) -> _Draft:
    draft = drafts.get(trace_id)
    if draft is None:
        trace = Trace(
            experiment=delivery.experiment, trace_id=trace_id, state=TraceState.IN_PROGRESS
        )
        draft = drafts[trace_id] = _Draft(trace=trace)
    return draft


def _take_spans(trace: Trace, spans: Iterable[SpanRecord]) -> None:
    guessed = trace.guessed
    tags, metadata = dict(guessed.get("tags", {})), dict(guessed.get("metadata", {}))
    content = span_facts.fold(guessed, spans)
    trace.has_spans = True
    trace.tags = span_facts.apply(trace.tags, tags, guessed.get("tags", {}))
    trace.metadata = span_facts.apply(trace.metadata, metadata, guessed.get("metadata", {}))
    if content is not None:
        trace.inputs, trace.outputs = content
        said = guessed.get("said", ())
        if "request" not in said:
            trace.sent_request_preview = _json_preview(content.inputs)
        if "response" not in said:
            trace.sent_response_preview = _json_preview(content.outputs)
    if not trace.started:
        trace.requested_at = _EPOCH + timedelta(milliseconds=guessed["start"] // 10**6)
        trace.duration_ms = (guessed["end"] - guessed["start"]) // 10**6
        trace.state = guessed["root"][1] if "root" in guessed else TraceState.IN_PROGRESS


def _take_info(trace: Trace, info: TraceInfoRecord) -> None:
    guessed = trace.guessed
    trace.started = True
    trace.state = info.state
    trace.requested_at = info.requested_at
    trace.duration_ms = info.duration_ms
    trace.client_request_id = info.client_request_id
    trace.tags = trace.tags | info.tags
    trace.metadata = trace.metadata | info.metadata
    span_facts.say(guessed, "tags", info.tags)
    span_facts.say(
        guessed,
        "metadata",
        {key: info.metadata[key] for key in _GUESSABLE_METADATA if key in info.metadata},
    )
    said = set(guessed.get("said", ()))
    if info.request_preview is not None:
        trace.sent_request_preview = info.request_preview
        said.add("request")
    if info.response_preview is not None:
        trace.sent_response_preview = info.response_preview
        said.add("response")
    guessed["said"] = sorted(said)


def _derive(trace: Trace) -> None:
    """What lists and the search show. While the content is not here, the client's previews stand for it."""
    session = trace.metadata.get(SESSION)
    if isinstance(session, str) and session:
        trace.conversation_id = session[:250]
    if trace.inputs is None and trace.outputs is None:
        sent = (_parsed(trace.sent_request_preview), _parsed(trace.sent_response_preview))
        trace.request_preview, trace.response_preview, trace.search_text = previews_and_text(*sent)
    else:
        trace.request_preview, trace.response_preview, trace.search_text = previews_and_text(
            trace.inputs, trace.outputs
        )


def _update(draft: _Draft) -> None:
    trace, before = draft.trace, draft.before
    content = ("inputs", "outputs", "metadata", "sent_request_preview", "sent_response_preview")
    if any(repr(getattr(trace, name)) != repr(before[name]) for name in content):
        _derive(trace)
    changed = [name for name in _CHANGING if repr(getattr(trace, name)) != repr(before[name])]
    if changed:
        write_changes(trace, changed)
    if "tags" in changed or "metadata" in changed:
        write_facts([trace])


def _json_preview(value: Any) -> str:
    if value is None:
        return ""
    return clean_text(json.dumps(value, ensure_ascii=False))[:_PREVIEW_LENGTH]


def _parsed(preview: str) -> Any:
    if not preview:
        return None
    try:
        return json.loads(preview)
    except (ValueError, RecursionError):
        return preview


_group_commit = GroupCommit(_write)
