"""Whole traces, as MLflow's client starts, reads, tags and deletes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from annotator.ingest import assessment_codec, assessments, trace_info
from annotator.ingest.door import MachineRequest, needs
from annotator.ingest.errors import ForbiddenError, InvalidRequestError, NotThereError
from annotator.ingest.experiment_rules import experiment_of, written_experiment
from annotator.ingest.message import Message
from annotator.ingest.trace_reading import (
    awaited_trace,
    encode_infos,
    encode_with_spans,
    visible_trace,
)
from annotator.models import Role, Scope, Trace
from annotator.permissions import require_role
from annotator.services import trace_changes
from annotator.services.deliveries import ElsewhereError, start_trace

MOST_READ = 100
MOST_INFOS = 500
MOST_DELETED = 100
_LATEST_MS = 32_503_680_000_000  # the year 3000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@needs(Scope.WRITE_TRACES)
def start(request: MachineRequest) -> dict[str, Any]:
    """Store what the client says of a trace that has ended ("StartTrace")."""
    body = Message.from_body(request)
    trace = body.message("trace")
    info = trace_info.decode(trace.data.get("trace_info") if trace else None)
    drafts = [assessment_codec.decode(Message(item)) for item in info.assessments]
    if drafts and Scope.WRITE_FEEDBACK not in request.caller.scopes:
        raise ForbiddenError("There is feedback in it, which this token may not give.")
    experiment = written_experiment(request.caller, info.experiment_id)
    try:
        if drafts:
            with transaction.atomic():  # the description and what was said of the trace, or neither
                stored = start_trace(experiment=experiment, info=info)
                assessments.take(request.caller.user, stored, drafts)
        else:
            stored = start_trace(experiment=experiment, info=info)
    except ElsewhereError as error:
        raise InvalidRequestError(str(error)) from None
    return {"trace": {"trace_info": encode_infos(request.caller, [stored])[0]}}


@needs(Scope.READ)
def get_info(request: MachineRequest, trace_id: str) -> dict[str, Any]:
    """The TraceInfo of one trace."""
    trace = awaited_trace(request.caller, trace_id)
    if trace is None:
        raise _unknown(trace_id)
    return {"trace": {"trace_info": encode_infos(request.caller, [trace])[0]}}


@needs(Scope.READ)
def get(request: MachineRequest) -> dict[str, Any]:
    """One trace with its spans, once all of them are here or, where the client takes a part, with those that are."""
    query = Message.from_address(request)
    trace_id = query.text("trace_id", longest=trace_info.TRACE_ID_LENGTH)
    trace = awaited_trace(request.caller, trace_id)
    if trace is None:
        raise _unknown(trace_id)
    takes_part = query.text("allow_partial", default="false").lower() == "true"
    encoded = encode_with_spans(request.caller, [trace], incomplete=takes_part)
    if not encoded:
        raise NotThereError(f"Trace with ID '{trace_id}' is not fully exported yet; try again.")
    return {"trace": encoded[0]}


@needs(Scope.READ)
def batch_get(request: MachineRequest) -> dict[str, Any]:
    """Traces with their spans, in the order asked for; unknown and incomplete ones are left out."""
    trace_ids = Message.from_address(request).texts(
        "trace_ids", most=MOST_READ, longest=trace_info.TRACE_ID_LENGTH
    )
    found = _visible(request, trace_ids)
    return {"traces": encode_with_spans(request.caller, found, incomplete=False)}


@needs(Scope.READ)
def batch_get_infos(request: MachineRequest) -> dict[str, Any]:
    """TraceInfos, in the order asked for; unknown ones are left out."""
    trace_ids = Message.from_body(request).texts(
        "trace_ids", most=MOST_INFOS, longest=trace_info.TRACE_ID_LENGTH
    )
    return {"trace_infos": encode_infos(request.caller, _visible(request, trace_ids))}


@needs(Scope.WRITE_TRACES)
def set_tag(request: MachineRequest, trace_id: str) -> dict[str, Any]:
    """Attach a tag to a trace, in place of the one with its key."""
    body = Message.from_body(request)
    key = _writable_key(body)
    value = body.text("value", longest=trace_info.TAG_LENGTH, default="")
    trace = _visible_or_404(request, trace_id)
    try:
        trace_changes.set_trace_tag(actor=request.caller.user, trace=trace, key=key, value=value)
    except trace_changes.TagError as error:
        raise InvalidRequestError(str(error)) from None
    return {}


@needs(Scope.WRITE_TRACES)
def delete_tag(request: MachineRequest, trace_id: str) -> dict[str, Any]:
    """Take a tag off a trace."""
    body = Message.from_body(request)
    key = _writable_key(body if "key" in body else Message.from_address(request))
    trace = _visible_or_404(request, trace_id)
    if not trace_changes.delete_trace_tag(actor=request.caller.user, trace=trace, key=key):
        raise NotThereError(f"No trace tag with key '{key}' for trace with ID '{trace_id}'")
    return {}


@needs(Scope.WRITE_TRACES)
def delete(request: MachineRequest) -> dict[str, Any]:
    """Delete traces with their feedback, by their ids or those before a time; the team's leads may."""
    body = Message.from_body(request)
    experiment = experiment_of(request.caller, body.text("experiment_id"))
    require_role(request.caller.user, request.caller.team.pk, Role.LEAD)
    name = "trace_ids" if "trace_ids" in body else "request_ids"
    trace_ids = body.texts(name, most=MOST_DELETED, longest=trace_info.TRACE_ID_LENGTH)
    until = body.integer("max_timestamp_millis", least=0, most=_LATEST_MS)
    most = body.integer("max_traces", least=0)
    if bool(trace_ids) == (until is not None) or (trace_ids and most is not None):
        raise InvalidRequestError(
            "Give either 'request_ids', or 'max_timestamp_millis' perhaps with 'max_traces'."
        )
    if until is None:
        count = trace_changes.delete_traces(
            actor=request.caller.user, experiment=experiment, trace_ids=trace_ids
        )
    else:
        count = trace_changes.delete_old_traces(
            actor=request.caller.user,
            experiment=experiment,
            until=_EPOCH + timedelta(milliseconds=until),
            most=most,
        )
    return {"traces_deleted": count}


def _visible(request: MachineRequest, trace_ids: list[str]) -> list[Trace]:
    found = {
        trace.trace_id: trace
        for trace in Trace.objects.visible_to(request.caller.user)
        .filter(trace_id__in=trace_ids)
        .select_related("experiment")
    }
    return [found[trace_id] for trace_id in dict.fromkeys(trace_ids) if trace_id in found]


def _visible_or_404(request: MachineRequest, trace_id: str) -> Trace:
    trace = visible_trace(request.caller, trace_id)
    if trace is None:
        raise _unknown(trace_id)
    return trace


def _unknown(trace_id: str) -> NotThereError:
    return NotThereError(f"Trace with ID '{trace_id[:250]}' not found")


def _writable_key(body: Message) -> str:
    key = body.text("key", longest=trace_info.KEY_LENGTH)
    if key == "mlflow.user" or trace_info.is_owned_by_server(key):
        raise body.wrong("key", f"“{key}” belongs to the server; choose another one.")
    return key
