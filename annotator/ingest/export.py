"""`POST /v1/traces`: spans from MLflow's client and from every OpenTelemetry exporter."""

from __future__ import annotations

from dataclasses import replace

from django.conf import settings
from django.http import HttpResponse

from annotator.ingest.body import read_body
from annotator.ingest.door import MachineRequest, needs
from annotator.ingest.errors import InvalidRequestError
from annotator.ingest.experiment_rules import written_experiment
from annotator.ingest.limits import Limits
from annotator.ingest.otlp import DECODERS
from annotator.models import Scope
from annotator.services.deliveries import ElsewhereError, store_spans
from judges.answers import clean_text

_LONGEST_RUN_ID = 250
# an empty ExportTraceServiceResponse in either encoding
_TAKEN = {"application/x-protobuf": b"", "application/json": b"{}"}


@needs(Scope.WRITE_TRACES)
def export(request: MachineRequest) -> HttpResponse:
    """Store the spans of one export."""
    wire_id = request.headers.get("X-Mlflow-Experiment-Id", "")
    if not wire_id:
        raise InvalidRequestError(
            "The header x-mlflow-experiment-id is missing; set it to the experiment's id, such as 0 for the default "
            "one (OTEL_EXPORTER_OTLP_HEADERS=x-mlflow-experiment-id=0)."
        )
    kind = (request.content_type or "").lower()
    decode = DECODERS.get(kind)
    if decode is None:
        raise InvalidRequestError(
            f"The Content-Type must be {' or '.join(DECODERS)}, not “{kind[:60]}”."
        )
    spans = decode(read_body(request), limits())
    run_id = clean_text(request.headers.get("X-Mlflow-Run-Id", ""))[:_LONGEST_RUN_ID]
    if run_id:
        spans = [
            replace(span, metadata=span.metadata | {"mlflow.sourceRun": run_id}) for span in spans
        ]
    experiment = written_experiment(request.caller, wire_id)
    try:
        store_spans(experiment=experiment, spans=spans)
    except ElsewhereError as error:
        raise InvalidRequestError(str(error)) from None
    return HttpResponse(_TAKEN[kind], content_type=kind)


def limits() -> Limits:
    """What the settings allow."""
    return Limits(
        spans=settings.INGEST_SPANS,
        depth=settings.INGEST_DEPTH,
        attribute=settings.INGEST_ATTRIBUTE_KB * 1024,
    )
