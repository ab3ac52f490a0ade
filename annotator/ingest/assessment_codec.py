"""Assessments over the wire: MLflow's JSON read into a draft, and rows written as that JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from typing import Any

from annotator.ingest.body import check_depth
from annotator.ingest.errors import InvalidRequestError
from annotator.ingest.message import Message
from annotator.ingest.trace_info import time_text
from annotator.models import Assessment, Kind, Source
from annotator.records import AssessmentChange, AssessmentDraft
from judges.answers import clean_text

LONGEST_ID = 64
LONGEST_NAME = 250
LONGEST_SPAN_ID = 64
LONGEST_TEXT = 100_000
LONGEST_VALUE = 1_000_000
LONGEST_ERROR_CODE = 60
MOST_METADATA = 200

JSON_FORMAT = "JSON_FORMAT"
JUDGE_VERSION = "annotator.judge_version"

# protobuf's numbers, and what older clients call a judge
_SOURCES: dict[Any, str] = {
    **{source.value: source.value for source in Source},
    "AI_JUDGE": Source.LLM_JUDGE.value,
    1: Source.HUMAN.value,
    2: Source.LLM_JUDGE.value,
    3: Source.CODE.value,
}
_MASKED = {
    "assessmentName": "name",
    "assessment_name": "name",
    "feedback": "feedback",
    "expectation": "expectation",
    "rationale": "rationale",
    "metadata": "metadata",
    "valid": "valid",
}


def decode(message: Message) -> AssessmentDraft:
    """The assessment in a request.

    Raises:
        InvalidRequestError: when a field is missing or wrong.
    """
    kind = _kind(message)
    source_type, source_id = _source(message, kind)
    return AssessmentDraft(
        assessment_id=message.text("assessment_id", longest=LONGEST_ID, default=""),
        name=message.text("assessment_name", longest=LONGEST_NAME),
        kind=kind,
        source_type=source_type,
        source_id=source_id,
        span_id=message.text("span_id", longest=LONGEST_SPAN_ID, default=""),
        rationale=message.prose("rationale", longest=LONGEST_TEXT),
        metadata=message.mapping("metadata", most=MOST_METADATA, longest=LONGEST_TEXT),
        overrides=message.text("overrides", longest=LONGEST_ID, default=""),
        valid=message.flag("valid", default=True),
        created_at=message.moment("create_time"),
        updated_at=message.moment("last_update_time"),
        **_content(message, kind),
    )


def decode_change(message: Message, mask: Any) -> AssessmentChange:
    """The change in a request: of its fields only those that the mask names.

    Args:
        message: The assessment with its changed fields.
        mask: `"assessmentName,feedback"`, or the same as protobuf's object of paths.

    Raises:
        InvalidRequestError: when the mask names nothing, or a field that cannot be changed.
    """
    paths = mask.get("paths") if isinstance(mask, dict) else mask
    names = paths.split(",") if isinstance(paths, str) else paths
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise InvalidRequestError(
            "Invalid value for parameter 'update_mask': name the fields to change, such as “feedback,rationale”."
        )
    fields: set[str] = set()
    for name in names:
        if name.strip() not in _MASKED:
            raise InvalidRequestError(
                f"Invalid value for parameter 'update_mask': “{name[:60]}” cannot be changed; "
                "assessmentName, feedback, expectation, rationale, metadata and valid can."
            )
        fields.add(_MASKED[name.strip()])
    draft = None
    if kinds := fields & {"feedback", "expectation"}:
        if len(kinds) > 1 or _kind(message).lower() not in kinds:
            raise InvalidRequestError(
                "The update_mask must name the one of feedback and expectation that is given."
            )
        kind = _kind(message)
        draft = AssessmentDraft(
            name="", kind=kind, source_type="", source_id="", **_content(message, kind)
        )
    return AssessmentChange(
        name=message.text("assessment_name", longest=LONGEST_NAME) if "name" in fields else None,
        draft=draft,
        rationale=message.prose("rationale", longest=LONGEST_TEXT)
        if "rationale" in fields
        else None,
        metadata=message.mapping("metadata", most=MOST_METADATA, longest=LONGEST_TEXT)
        if "metadata" in fields
        else None,
        valid=message.flag("valid", default=True) if "valid" in fields else None,
    )


# What `encode` reads of a row; a judge's version has much more, its instructions for one.
COLUMNS = (
    *("assessment_id", "trace", "name", "kind", "source_type", "source_id", "span_id", "value"),
    *("error_kind", "error_text", "error_stack", "declined_reason", "is_serialized", "rationale"),
    *("metadata", "valid", "overrides", "created_at", "updated_at", "judge_version__number"),
)


def encode(
    row: Assessment, *, trace_id: str, overridden: Collection[int] = (), overrides: str = ""
) -> dict[str, Any]:
    """The assessment as MLflow's client reads it.

    Args:
        row: The row; of its judge version the number is told.
        trace_id: The id of its trace.
        overridden: Primary keys of assessments that one in force takes the place of.
        overrides: The id of the one that this takes the place of.
    """
    data: dict[str, Any] = {
        "assessment_id": row.assessment_id,
        "assessment_name": row.name,
        "trace_id": trace_id,
        "source": {"source_type": row.source_type, "source_id": row.source_id},
        "create_time": time_text(row.created_at),
        "last_update_time": time_text(row.updated_at),
        "valid": row.valid and row.pk not in overridden,
    }
    if row.kind == Kind.EXPECTATION:
        data["expectation"] = _expectation(row)
    else:
        data["feedback"] = _feedback(row)
    metadata = {str(key): clean_text(str(value)) for key, value in row.metadata.items()}
    if row.judge_version is not None:
        metadata[JUDGE_VERSION] = str(row.judge_version.number)
    optional = {
        "span_id": row.span_id,
        "rationale": row.rationale,
        "metadata": metadata,
        "overrides": overrides,
    }
    return data | {key: value for key, value in optional.items() if value}


def sendable(value: Any) -> Any:
    """A JSON value without what protobuf's JSON cannot carry: NaN, halves of characters, integers beyond 64 bits."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return str(value)
    if isinstance(value, list):
        return [sendable(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(str(key)): sendable(item) for key, item in value.items()}
    return value


def _kind(message: Message) -> str:
    given = [kind for kind in Kind if kind.value.lower() in message]
    if len(given) != 1:
        raise InvalidRequestError(
            "An assessment has exactly one of “feedback” and “expectation”; this one has "
            + ("both." if given else "neither.")
        )
    return given[0].value


def _source(message: Message, kind: str) -> tuple[str, str]:
    default = Source.HUMAN if kind == Kind.EXPECTATION else Source.CODE
    source = message.message("source")
    if source is None:
        return default.value, "default"
    given = source.data.get("source_type")
    is_known = isinstance(given, (str, int)) and given in _SOURCES and given is not True
    if given is not None and not is_known:
        raise source.wrong("source_type", "it must be HUMAN, LLM_JUDGE or CODE.")
    source_type = default.value if given is None else _SOURCES[given]
    return source_type, source.text("source_id", longest=LONGEST_NAME, default="default")


def _content(message: Message, kind: str) -> dict[str, Any]:
    inner = message.message(kind.lower())
    if inner is None:
        raise message.wrong(kind.lower(), "it is missing.")
    if kind == Kind.EXPECTATION:
        return _expected(inner)
    error = inner.message("error")
    return {
        "value": _value(inner, "value"),
        "error_code": error.text("error_code", longest=LONGEST_ERROR_CODE, default="")
        if error
        else "",
        "error_message": error.prose("error_message", longest=LONGEST_TEXT) if error else "",
        "error_stack": error.prose("stack_trace", longest=LONGEST_TEXT) if error else "",
    }


def _expected(inner: Message) -> dict[str, Any]:
    serialized = inner.message("serialized_value")
    if serialized is None:
        return {"value": _value(inner, "value")}
    text = serialized.data.get("value")
    if not isinstance(text, str) or len(text) > LONGEST_VALUE:
        raise serialized.wrong(
            "value", f"it must be JSON text of at most {LONGEST_VALUE:,} characters."
        )
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise serialized.wrong("value", "it is not JSON text.") from None
    check_depth(value)
    return {"value": sendable(value), "is_serialized": True}


def _value(inner: Message, name: str) -> Any:
    value = sendable(inner.data.get(name))
    if len(json.dumps(value)) > LONGEST_VALUE:
        raise inner.wrong(name, f"it has more than {LONGEST_VALUE:,} characters as JSON.")
    return value


def _feedback(row: Assessment) -> dict[str, Any]:
    data: dict[str, Any] = {"value": sendable(row.value)}
    if row.error_kind or row.error_text:
        data["error"] = {
            "error_code": row.error_kind or "ERROR",
            "error_message": row.error_text,
            "stack_trace": row.error_stack,
        }
    elif row.declined_reason:
        data["error"] = {"error_code": "CANNOT_JUDGE", "error_message": row.declined_reason}
    return data


def _expectation(row: Assessment) -> dict[str, Any]:
    value = sendable(row.value)
    if row.is_serialized or isinstance(value, (dict, list)):
        text = json.dumps(value, ensure_ascii=False)
        return {"serialized_value": {"serialization_format": JSON_FORMAT, "value": text}}
    return {"value": value}
