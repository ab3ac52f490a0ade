"""What was said of traces, as MLflow's client logs and reads it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from annotator.ingest.assessment_codec import COLUMNS, decode, decode_change, encode
from annotator.ingest.door import MachineRequest, needs
from annotator.ingest.errors import ForbiddenError, InvalidRequestError, NotThereError
from annotator.ingest.message import Message
from annotator.models import Assessment, Scope, Trace, User
from annotator.models.hidden import hidden_from, sees_everything, visible_assessments
from annotator.records import AssessmentDraft
from annotator.services import client_assessments as service
from annotator.services.tokens import Caller


@needs(Scope.WRITE_FEEDBACK)
def create(request: MachineRequest, trace_id: str) -> dict[str, Any]:
    """Log one."""
    message = Message.from_body(request).message("assessment")
    if message is None:
        raise InvalidRequestError("Invalid value for parameter 'assessment': it is missing.")
    trace = trace_of(request.caller, trace_id)
    row = take(request.caller.user, trace, [decode(message)])[0]
    return {"assessment": _encoded(request.caller.user, trace, row.pk)}


@needs(Scope.READ)
def get(request: MachineRequest, trace_id: str, assessment_id: str) -> dict[str, Any]:
    """One by its id."""
    trace = trace_of(request.caller, trace_id)
    row = _found(request.caller.user, trace, assessment_id)
    return {"assessment": _encoded(request.caller.user, trace, row.pk)}


@needs(Scope.WRITE_FEEDBACK)
def update(request: MachineRequest, trace_id: str, assessment_id: str) -> dict[str, Any]:
    """Change the fields that the mask names."""
    body = Message.from_body(request)
    message = body.message("assessment")
    if message is None:
        raise InvalidRequestError("Invalid value for parameter 'assessment': it is missing.")
    trace = trace_of(request.caller, trace_id)
    change = decode_change(message, body.data.get("update_mask"))
    try:
        row = service.change_assessment(
            actor=request.caller.user, trace=trace, assessment_id=assessment_id, change=change
        )
    except service.AssessmentError as error:
        raise _refusal(error) from None
    return {"assessment": _encoded(request.caller.user, trace, row.pk)}


@needs(Scope.WRITE_FEEDBACK)
def delete(request: MachineRequest, trace_id: str, assessment_id: str) -> dict[str, Any]:
    """Take one back; that there is none is fine too."""
    trace = trace_of(request.caller, trace_id)
    try:
        service.take_back_assessment(
            actor=request.caller.user, trace=trace, assessment_id=assessment_id
        )
    except service.AssessmentError as error:
        raise _refusal(error) from None
    return {}


def trace_of(caller: Caller, trace_id: str) -> Trace:
    """The trace of that id in the caller's team, with its experiment; deleted experiments' ones too.

    Raises:
        NotThereError: when there is none.
    """
    found = Trace.objects.filter(trace_id=trace_id, experiment__team=caller.team)
    trace = found.select_related("experiment__team").first()
    if trace is None:
        raise NotThereError(f"Trace with ID '{trace_id}' not found.")
    return trace


def take(user: User, trace: Trace, drafts: Sequence[AssessmentDraft]) -> list[Assessment]:
    """Store what a request brought.

    Raises:
        ApiError: when something of it cannot be taken; then nothing of it is.
    """
    try:
        return service.take_assessments(actor=user, trace=trace, drafts=drafts)
    except service.AssessmentError as error:
        raise _refusal(error) from None


def of_traces(user: User, traces: Sequence[Trace]) -> dict[int, list[dict[str, Any]]]:
    """All that the user may see of what was said of the traces, as JSON, in the order it was said, by the trace's pk.

    Args:
        user: Who looks.
        traces: Traces of the user's teams, as `trace_of` or a search found them.
    """
    trace_ids = {trace.pk: trace.trace_id for trace in traces}
    hidden = hidden_from(user, traces=trace_ids)
    said = (
        Assessment.objects.filter(trace__in=trace_ids)
        if sees_everything(user, hidden)
        else visible_assessments(user, traces=trace_ids, hidden=hidden)
    )
    rows = list(
        said.filter(withdrawn_at=None)
        .select_related("judge_version")
        .only(*COLUMNS)
        .order_by("created_at", "pk")
    )
    overridden = service.overridden_pks(rows)
    ids = {row.pk: row.assessment_id for row in rows}
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row.trace_id].append(
            encode(
                row,
                trace_id=trace_ids[row.trace_id],
                overridden=overridden,
                overrides=ids.get(row.overrides_id or 0, ""),
            )
        )
    return found


def _encoded(user: User, trace: Trace, pk: int) -> dict[str, Any]:
    row = Assessment.objects.select_related("judge_version", "overrides").get(pk=pk)
    rivals = visible_assessments(user, traces=[trace.pk]).filter(valid=True, overrides=row)
    return encode(
        row,
        trace_id=trace.trace_id,
        overridden=service.overridden_pks(rivals),
        overrides=row.overrides.assessment_id if row.overrides else "",
    )


def _found(user: User, trace: Trace, assessment_id: str) -> Assessment:
    try:
        return service.find_assessment(actor=user, trace=trace, assessment_id=assessment_id)
    except service.NoSuchAssessmentError as error:
        raise _refusal(error) from None


def _refusal(error: service.AssessmentError) -> Exception:
    if isinstance(error, service.NoSuchAssessmentError):
        return NotThereError(str(error))
    if isinstance(error, service.NotYoursError):
        return ForbiddenError(str(error))
    return InvalidRequestError(str(error))
