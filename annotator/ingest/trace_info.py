"""TraceInfo, MLflow's description of a whole trace: from its JSON and into it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from annotator.ingest.fields import identifier, kind_of, mapping, moment, sequence, shorten
from annotator.ingest.lines import FormatError
from annotator.models import Trace, TraceState
from annotator.records import TraceInfoRecord
from judges.answers import clean_text

SPANS_LOCATION = "mlflow.trace.spansLocation"
ARTIFACT_LOCATION = "mlflow.artifactLocation"
STORED_HERE = "TRACKING_STORE"
TRACE_ID_LENGTH = 200
PREVIEW_LENGTH = 1000
KEY_LENGTH = 250
TAG_LENGTH = 4096
MOST_ENTRIES = 1000
MOST_ASSESSMENTS = 1000

_STATES = tuple(TraceState)
# protobuf's numbers of the same
_STATE_NUMBERS = ("STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS")
_LONGEST_MS = 10**12
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)
_EXPERIMENT_ID = re.compile(r"\d{1,10}", re.ASCII)


def decode(data: Any) -> TraceInfoRecord:
    """The TraceInfo in a request.

    Raises:
        FormatError: when a part of it cannot be understood.
    """
    if not isinstance(data, dict):
        raise FormatError("trace.trace_info", f"It must be an object, not {kind_of(data)}.")
    requested_at = moment(data, "request_time", path="trace_info.")
    if requested_at is None:
        raise FormatError("trace_info.request_time", "It is missing; a trace needs its time.")
    return TraceInfoRecord(
        trace_id=trace_id_of(data.get("trace_id"), field="trace_info.trace_id"),
        experiment_id=_experiment_id(data.get("trace_location")),
        state=_state(data.get("state")),
        requested_at=requested_at.replace(microsecond=requested_at.microsecond // 1000 * 1000),
        duration_ms=_duration(data.get("execution_duration")),
        client_request_id=_text(data, "client_request_id", KEY_LENGTH) or "",
        request_preview=_text(data, "request_preview", PREVIEW_LENGTH),
        response_preview=_text(data, "response_preview", PREVIEW_LENGTH),
        tags={
            key: value[:TAG_LENGTH]
            for key, value in _texts(data, "tags").items()
            if not is_owned_by_server(key)
        },
        metadata=_texts(data, "trace_metadata"),
        assessments=tuple(_assessments(data)),
    )


def encode(trace: Trace, *, assessments: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The TraceInfo of a trace, whose experiment has been loaded with it.

    Args:
        assessments: All of the trace's, as they go over the wire, in the order they were made.
    """
    experiment_id = trace.experiment.wire_id
    tags = _as_texts(trace.tags)
    tags[ARTIFACT_LOCATION] = f"mlflow-artifacts:/{experiment_id}/traces/{trace.trace_id}/artifacts"
    if trace.can_be_read_here:
        tags[SPANS_LOCATION] = STORED_HERE
    info: dict[str, Any] = {
        "trace_id": trace.trace_id,
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": experiment_id},
        },
        "request_time": time_text(trace.requested_at),
        "state": trace.state,
        "trace_metadata": {"mlflow.trace_schema.version": "3"} | _as_texts(trace.metadata),
        "tags": tags,
    }
    optional = {
        "client_request_id": trace.client_request_id,
        "request_preview": trace.sent_request_preview or trace.request_preview,
        "response_preview": trace.sent_response_preview or trace.response_preview,
        "execution_duration": ""
        if trace.duration_ms is None
        else f"{trace.duration_ms / 1000:.3f}s",
    }
    info |= {key: text for key, text in optional.items() if text}
    if assessments:
        info["assessments"] = list(assessments)
    return info


def time_text(moment: datetime) -> str:
    """A time of UTC as protobuf's JSON has it, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def is_owned_by_server(key: str) -> bool:
    """Whether a tag says where things are, which no client can know."""
    return key == ARTIFACT_LOCATION or (
        key.startswith("mlflow.trace.") and key.endswith("Location")
    )


def trace_id_of(value: Any, *, field: str) -> str:
    """A trace id that can be part of an address.

    Raises:
        FormatError: when it is no text, too long, or holds what an address cannot.
    """
    key = field.rpartition(".")[2]
    trace_id = identifier(
        {} if value is None else {key: value},
        key,
        path=field.removesuffix(key),
        limit=TRACE_ID_LENGTH,
    )
    if {".", ".."} & set(trace_id.split("/")):
        raise FormatError(field, "“.” and “..” cannot be in an address; use another id.")
    return trace_id


def _experiment_id(location: Any) -> str:
    field = "trace_info.trace_location.mlflow_experiment.experiment_id"
    experiment = location.get("mlflow_experiment") if isinstance(location, dict) else None
    found = experiment.get("experiment_id") if isinstance(experiment, dict) else None
    if not isinstance(found, (str, int)) or not _EXPERIMENT_ID.fullmatch(str(found)):
        raise FormatError(field, "It must be the decimal id of an experiment.")
    return str(found)


def _state(value: Any) -> str:
    if isinstance(value, int) and 0 <= value < len(_STATE_NUMBERS):
        return _STATE_NUMBERS[value]
    # what a newer client may call a state says nothing to us, but loses no trace
    return value if isinstance(value, str) and value in _STATES else TraceState.STATE_UNSPECIFIED


def _duration(value: Any) -> int | None:
    if value is None:
        return None
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise FormatError(
            "trace_info.execution_duration",
            f"“{shorten(value)}” is no duration; write seconds, such as 0.083s.",
        )
    sign, seconds, fraction = found.groups()
    milliseconds = int(seconds) * 1000 + round(float(f"0.{fraction or 0}") * 1000)
    return 0 if sign else min(milliseconds, _LONGEST_MS)


def _text(data: dict[str, Any], key: str, length: int) -> str | None:
    value = data.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise FormatError(f"trace_info.{key}", f"It must be a text, not {kind_of(value)}.")
    return clean_text(value)[:length]


def _texts(data: dict[str, Any], key: str) -> dict[str, str]:
    entries = mapping(data, key, path="trace_info.") or {}
    if len(entries) > MOST_ENTRIES:
        raise FormatError(
            f"trace_info.{key}", f"It has {len(entries):,} entries; {MOST_ENTRIES} are allowed."
        )
    for name, value in entries.items():
        if not isinstance(value, str):
            raise FormatError(
                f"trace_info.{key}.{shorten(name)}", f"It must be a text, not {kind_of(value)}."
            )
    return {clean_text(name)[:KEY_LENGTH]: clean_text(value) for name, value in entries.items()}


def _assessments(data: dict[str, Any]) -> list[dict[str, Any]]:
    found = sequence(data, "assessments", limit=MOST_ASSESSMENTS)
    for position, item in enumerate(found):
        if not isinstance(item, dict):
            raise FormatError(
                f"trace_info.assessments[{position}]", f"It must be an object, not {kind_of(item)}."
            )
    return found


def _as_texts(entries: Mapping[str, Any]) -> dict[str, str]:
    """Texts by key, which is all the client's parser takes; a file may have brought other JSON."""
    return {
        str(key): clean_text(value if isinstance(value, str) else json.dumps(value))
        for key, value in entries.items()
        if value is not None
    }
