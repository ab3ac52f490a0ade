"""The files of a trace: its spans once more, from clients that could not export them, and attachments."""

from __future__ import annotations

import re

from django.http import HttpResponse

from annotator.ingest import span_json
from annotator.ingest.body import json_of, read_body
from annotator.ingest.door import MachineRequest, needs
from annotator.ingest.errors import InvalidRequestError, NotThereError
from annotator.ingest.experiment_rules import experiment_of
from annotator.ingest.export import limits
from annotator.ingest.trace_info import trace_id_of
from annotator.ingest.trace_reading import awaited_trace, span_rows
from annotator.models import Scope
from annotator.services.attachments import attachment_path, write_attachment
from annotator.services.deliveries import ElsewhereError, store_spans

SPANS_FILE = "traces.json"
_PATH = re.compile(
    r"(?P<experiment>\d{1,10})/traces/(?P<trace>.{1,200})/artifacts/"
    r"(?P<file>traces\.json|attachments/(?P<attachment>[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}))",
    re.ASCII,
)


@needs(Scope.WRITE_TRACES)
def put(request: MachineRequest, path: str) -> HttpResponse:
    """Take a file of a trace."""
    parts = _parts(path)
    body = read_body(request)
    experiment = experiment_of(request.caller, parts["experiment"], for_writing=True)
    trace_id = trace_id_of(parts["trace"], field="trace_id")
    if parts["attachment"]:
        write_attachment(
            team=request.caller.team, trace_id=trace_id, name=parts["attachment"], content=body
        )
        return HttpResponse(status=200)
    spans = span_json.decode_file(json_of(body), trace_id, limits())
    try:
        store_spans(experiment=experiment, spans=spans)
    except ElsewhereError as error:
        raise InvalidRequestError(str(error)) from None
    return HttpResponse(status=200)


@needs(Scope.READ)
def get(request: MachineRequest, path: str) -> HttpResponse:
    """Give a file of a trace back; its spans come from where all spans are."""
    parts = _parts(path)
    experiment_of(request.caller, parts["experiment"])
    trace_id = trace_id_of(parts["trace"], field="trace_id")
    if parts["attachment"]:
        file = attachment_path(
            team=request.caller.team, trace_id=trace_id, name=parts["attachment"]
        )
        if not file.is_file():
            raise NotThereError(f"There is no such attachment of the trace {trace_id}.")
        return HttpResponse(
            file.read_bytes(),
            content_type="application/octet-stream",
            headers={"Content-Disposition": "attachment"},
        )
    trace = awaited_trace(request.caller, trace_id)
    rows = span_rows([trace])[trace.pk] if trace else []
    if not rows:
        raise NotThereError(f"There are no spans of the trace {trace_id} (yet).")
    return HttpResponse(
        span_json.encode_file(trace_id, rows), content_type="text/plain; charset=utf-8"
    )


def _parts(path: str) -> dict[str, str]:
    found = _PATH.fullmatch(path)
    if found is None:
        raise NotThereError(
            "Files are kept at <experiment>/traces/<trace>/artifacts/ only: traces.json and attachments/<name>."
        )
    return {name: value or "" for name, value in found.groupdict().items()}
