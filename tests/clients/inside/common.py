"""What every function in here needs: the connection, and plain forms of what the client returns."""

import os

import mlflow
from mlflow.exceptions import MlflowException


def connect(url, token=""):
    """Send everything to this server with this token from now on."""
    os.environ.pop("MLFLOW_TRACKING_TOKEN", None)
    if token:
        os.environ["MLFLOW_TRACKING_TOKEN"] = token
    mlflow.set_tracking_uri(url)


def flush():
    """Wait until all traces are sent; a client that sends at once has nothing to wait for."""
    if os.environ.get("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING") != "false":
        mlflow.flush_trace_async_logging()


def refused(call, *arguments, **named):
    """The error that a call ends with."""
    try:
        call(*arguments, **named)
    except MlflowException as error:
        return {"code": error.error_code, "message": str(error)}
    return None


def plain_trace(trace):
    """A trace with its spans and assessments, in JSON's types. Spans go by name."""
    info = trace.info
    return {
        "id": info.trace_id,
        "experiment": info.experiment_id,
        "state": str(info.state.value),
        "request_time": info.request_time,
        "duration": info.execution_duration,
        "request_preview": info.request_preview,
        "response_preview": info.response_preview,
        "client_request_id": info.client_request_id,
        "tags": {key: value for key, value in info.tags.items() if "rtifactLocation" not in key},
        "metadata": dict(info.trace_metadata),
        "spans": {span.name: plain_span(span) for span in trace.data.spans},
        "order": [span.name for span in trace.data.spans],
        "assessments": [plain_assessment(assessment) for assessment in info.assessments],
    }


def plain_span(span):
    """A span; attributes without the client's own bookkeeping, each with the name of its type."""
    return {
        "id": span.span_id,
        "parent": span.parent_id,
        "type": span.span_type,
        "status": str(span.status.status_code.value),
        "status_message": span.status.description,
        "start": span.start_time_ns,
        "end": span.end_time_ns,
        "inputs": span.inputs,
        "outputs": span.outputs,
        "attributes": {
            key: [type(value).__name__, value if value == value else "nan"]
            for key, value in span.attributes.items()
            if not key.startswith("mlflow.")
        },
        "events": [
            {"name": event.name, "at": event.timestamp, "attributes": dict(event.attributes)}
            for event in span.events
            if event.name != "exception"
        ],
        "exceptions": [event.name for event in span.events if event.name == "exception"],
    }


def plain_assessment(assessment):
    """An assessment with the type of its value."""
    value = assessment.value
    error = getattr(assessment, "error", None)
    return {
        "id": assessment.assessment_id,
        "kind": type(assessment).__name__,
        "name": assessment.name,
        "value": value,
        "type": type(value).__name__,
        "source": [assessment.source.source_type, assessment.source.source_id],
        "rationale": assessment.rationale,
        "metadata": assessment.metadata,
        "span": assessment.span_id,
        "overrides": assessment.overrides,
        "valid": assessment.valid,
        "error": error and [error.error_code, error.error_message],
        "created": assessment.create_time_ms,
        "updated": assessment.last_update_time_ms,
    }
