"""Runs, as MLflow's client records them, such as `mlflow.genai.evaluate` does. No alignment run is meant here."""

from __future__ import annotations

import math
from typing import Any

from annotator.ingest.door import MachineRequest, needs
from annotator.ingest.errors import InvalidRequestError, NotThereError
from annotator.ingest.experiment_rules import experiment_of
from annotator.ingest.message import Message
from annotator.models import ProgramRun, Scope, Trace
from annotator.services import program_runs as service

LONGEST_KEY = 250
LONGEST_VALUE = 100_000
MOST_AT_ONCE = 1000
MOST_TRACES = 1000

# protobuf's numbers of the same
_STATUSES: dict[Any, str] = {
    **{status.value: status.value for status in ProgramRun.Status},
    1: "RUNNING",
    2: "SCHEDULED",
    3: "FINISHED",
    4: "FAILED",
    5: "KILLED",
}
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@needs(Scope.WRITE_TRACES)
def create(request: MachineRequest) -> dict[str, Any]:
    """Begin one."""
    body = Message.from_body(request)
    experiment = experiment_of(
        request.caller, body.text("experiment_id", default="0"), for_writing=True
    )
    run = service.begin_run(
        actor=request.caller.user,
        experiment=experiment,
        name=body.text("run_name", default=""),
        user_name=body.text("user_id", default=""),
        started_ms=body.integer("start_time", default=0, least=0),
        tags=_pairs(body, "tags"),
    )
    return {"run": _encode(run)}


@needs(Scope.READ)
def get(request: MachineRequest) -> dict[str, Any]:
    """One with all that was logged to it."""
    return {"run": _encode(_run(request, Message.from_address(request)))}


@needs(Scope.WRITE_TRACES)
def update(request: MachineRequest) -> dict[str, Any]:
    """Say how it stands."""
    body = Message.from_body(request)
    status = body.data.get("status")
    is_known = isinstance(status, (str, int)) and status in _STATUSES and status is not True
    if status is not None and not is_known:
        raise body.wrong("status", f"it must be one of {', '.join(ProgramRun.Status.values)}.")
    run = service.update_run(
        actor=request.caller.user,
        run=_run(request, body),
        status=None if status is None else _STATUSES[status],
        ended_ms=body.integer("end_time", least=0),
        name=body.text("run_name", default=""),
    )
    return {"run_info": _encode(run)["info"]}


@needs(Scope.WRITE_TRACES)
def set_tag(request: MachineRequest) -> dict[str, Any]:
    """Attach a tag, in place of the one with its key."""
    body = Message.from_body(request)
    key = body.text("key", longest=LONGEST_KEY)
    value = body.prose("value", longest=LONGEST_VALUE)
    return _log(_run(request, body), tags={key: value})


@needs(Scope.WRITE_TRACES)
def delete_tag(request: MachineRequest) -> dict[str, Any]:
    """Take a tag off."""
    body = Message.from_body(request)
    key = body.text("key", longest=LONGEST_KEY)
    if not service.delete_run_tag(run=_run(request, body), key=key):
        raise NotThereError(f"No tag with name: {key}")
    return {}


@needs(Scope.WRITE_TRACES)
def log_metric(request: MachineRequest) -> dict[str, Any]:
    """Log one figure."""
    body = Message.from_body(request)
    return _log(_run(request, body), metrics=[_metric(body)])


@needs(Scope.WRITE_TRACES)
def log_parameter(request: MachineRequest) -> dict[str, Any]:
    """Log one parameter."""
    body = Message.from_body(request)
    key = body.text("key", longest=LONGEST_KEY)
    return _log(_run(request, body), params={key: body.prose("value", longest=LONGEST_VALUE)})


@needs(Scope.WRITE_TRACES)
def log_batch(request: MachineRequest) -> dict[str, Any]:
    """Log figures, parameters and tags at once."""
    body = Message.from_body(request)
    return _log(
        _run(request, body),
        metrics=[_metric(each) for each in body.messages("metrics", most=MOST_AT_ONCE)],
        params=_pairs(body, "params"),
        tags=_pairs(body, "tags"),
    )


@needs(Scope.WRITE_TRACES)
def log_inputs(request: MachineRequest) -> dict[str, Any]:
    """Log which data sets it read."""
    body = Message.from_body(request)
    inputs = []
    for each in body.messages("datasets", most=MOST_AT_ONCE):
        dataset = each.message("dataset")
        if dataset is None:
            raise each.wrong("dataset", "it is missing.")
        fields = ("name", "digest", "source_type", "source", "schema", "profile")
        texts = {name: dataset.prose(name, longest=1_000_000) for name in fields}
        tags = [{"key": key, "value": value} for key, value in _pairs(each, "tags").items()]
        inputs.append({"tags": tags, "dataset": {key: text for key, text in texts.items() if text}})
    return _log(_run(request, body), inputs=inputs)


@needs(Scope.WRITE_TRACES)
def link_traces(request: MachineRequest) -> dict[str, Any]:
    """Let traces be found by it."""
    body = Message.from_body(request)
    run = _run(request, body)
    wanted = dict.fromkeys(body.texts("trace_ids", most=MOST_TRACES))
    traces = Trace.objects.filter(trace_id__in=wanted, experiment__team=request.caller.team)
    found = {trace.trace_id: trace for trace in traces.only("trace_id")}
    missing = [trace_id for trace_id in wanted if trace_id not in found]
    if missing:
        raise NotThereError(f"Trace with ID '{missing[0]}' not found.")
    service.link_traces(run=run, traces=list(found.values()))
    return {}


def _run(request: MachineRequest, message: Message) -> ProgramRun:
    run_id = message.text("run_id", default="") or message.text("run_uuid")
    run = (
        ProgramRun.objects.filter(run_id=run_id, experiment__team=request.caller.team)
        .select_related("experiment__team")
        .first()
    )
    if run is None:
        raise NotThereError(f"Run with id={run_id} not found")
    return run


def _log(run: ProgramRun, **what: Any) -> dict[str, Any]:
    try:
        service.log_to_run(run=run, **what)
    except service.ProgramRunError as error:
        raise InvalidRequestError(str(error)) from None
    return {}


def _pairs(body: Message, name: str) -> dict[str, str]:
    return {
        pair.text("key", longest=LONGEST_KEY): pair.prose("value", longest=LONGEST_VALUE)
        for pair in body.messages(name, most=MOST_AT_ONCE)
    }


def _metric(message: Message) -> tuple[str, dict[str, Any]]:
    value = message.data.get("value")
    number = _NOT_FINITE.get(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise message.wrong("value", "it must be a number.")
    key = message.text("key", longest=LONGEST_KEY)
    if isinstance(number, int) and abs(number) > 2**1000:
        number = math.inf if number > 0 else -math.inf
    return key, {
        "value": float(number),
        "timestamp": message.integer("timestamp", default=0),
        "step": message.integer("step", default=0),
    }


def _encode(run: ProgramRun) -> dict[str, Any]:
    wire_id = run.experiment.wire_id
    info: dict[str, Any] = {
        "run_id": run.run_id,
        "run_uuid": run.run_id,
        "experiment_id": wire_id,
        "run_name": run.name,
        "user_id": run.user_name,
        "status": run.status,
        "start_time": run.started_ms,
        "artifact_uri": f"mlflow-artifacts:/{wire_id}/{run.run_id}/artifacts",
        "lifecycle_stage": "active",
    }
    if run.ended_ms is not None:
        info["end_time"] = run.ended_ms
    return {
        "info": info,
        "data": {
            "metrics": [
                {"key": key, **metric, "value": _sendable(metric["value"])}
                for key, metric in run.metrics.items()
            ],
            "params": [{"key": key, "value": value} for key, value in run.params.items()],
            "tags": [{"key": key, "value": value} for key, value in run.tags.items()],
        },
        "inputs": {"dataset_inputs": run.inputs},
        "outputs": {},
    }


def _sendable(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
