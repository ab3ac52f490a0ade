"""JSON Lines: a trace or a feedback a line, decoded into a typed record or a sentence that says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from annotator.ingest.fields import (
    identifier,
    kind_of,
    mapping,
    moment,
    optional_text,
    scalar,
    sequence,
    shorten,
    whole_number,
)
from annotator.ingest.lines import FormatError, check_keys, json_object, text_lines
from annotator.records import AssessmentRecord, FeedbackRecord, Refusal, TraceRecord
from judges.answers import clean_text
from judges.entities import SourceType, Span

TRACE_ID_LENGTH = 200
NAME_LENGTH = 250
SPAN_ID_LENGTH = 64
REASON_LENGTH = 500
MOST_SPANS = 10_000
MOST_ASSESSMENTS = 10_000
MOST_TAGS = 200
LONGEST_DURATION_MS = 10**12

_LATEST_NS = 2**63 - 1
_STATES = ("OK", "ERROR", "IN_PROGRESS", "STATE_UNSPECIFIED")
_KINDS = {"feedback": "FEEDBACK", "expectation": "EXPECTATION"}
_TRACE_KEYS = frozenset(
    [
        "trace_id",
        "inputs",
        "outputs",
        "metadata",
        "assessments",
        "spans",
        "tags",
        "state",
        "request_time",
        "duration_ms",
        "conversation_id",
    ]
)
_ASSESSMENT_KEYS = frozenset(
    [
        "name",
        "value",
        "source_type",
        "source_id",
        "rationale",
        "type",
        "span_id",
        "created_at",
        "declined_reason",
    ]
)
_SPAN_KEYS = frozenset(
    [
        "span_id",
        "parent_id",
        "name",
        "span_type",
        "start_ns",
        "end_ns",
        "inputs",
        "outputs",
        "status",
        "status_message",
        "attributes",
    ]
)
_FEEDBACK_KEYS = frozenset(
    [
        "trace_id",
        "name",
        "value",
        "label",
        "source_id",
        "rationale",
        "declined_reason",
        "span_id",
        "created_at",
    ]
)
# What an export adds for its readers; the app knows these already.
EXPORTED_ONLY = frozenset(
    ["label_rule", "verdict", "verdict_by", "judge_version", "guideline_version"]
)


def decode_traces(stream: BinaryIO) -> Iterator[TraceRecord | Refusal]:
    """The traces of a file, line by line.

    Raises:
        UnreadableFileError: when the file as a whole cannot be read.
    """
    for number, text in text_lines(stream):
        if isinstance(text, Refusal):
            yield text
            continue
        try:
            yield decode_trace(text, line=number)
        except FormatError as error:
            yield error.at(number)


def decode_trace(text: str, *, line: int = 1) -> TraceRecord:
    """The trace on one line.

    Raises:
        FormatError: when something of it is wrong. One wrong part refuses the whole line: nothing is half taken.
    """
    data = json_object(text)
    trace_id = identifier(data, "trace_id", path="", limit=TRACE_ID_LENGTH)
    if {".", ".."} & set(trace_id.split("/")):
        raise FormatError(
            "trace_id", "A browser drops “.” and “..” from its address; use another id."
        )
    check_keys(data, _TRACE_KEYS, path="", remedy="put extra data into “metadata”.")
    if data.get("inputs") is None and data.get("outputs") is None:
        raise FormatError(
            "inputs", "There are neither inputs nor outputs; give at least one of them."
        )
    state = data.get("state")
    if state is not None and state not in _STATES:
        raise FormatError("state", f"“{shorten(state)}” is none of {', '.join(_STATES)}.")
    return TraceRecord(
        line=line,
        trace_id=trace_id,
        inputs=data.get("inputs"),
        outputs=data.get("outputs"),
        state=state,
        requested_at=moment(data, "request_time"),
        duration_ms=whole_number(data, "duration_ms", limit=LONGEST_DURATION_MS),
        tags=_tags(data),
        metadata=mapping(data, "metadata"),
        conversation_id=optional_text(data, "conversation_id", path="", limit=NAME_LENGTH) or None,
        spans=_spans(data),
        assessments=_assessments(data),
    )


def decode_feedback(text: str, *, line: int = 1, ignored: set[str] | None = None) -> FeedbackRecord:
    """The feedback on one line.

    Args:
        ignored: Takes up the keys that nobody reads, so that the caller can say so.

    Raises:
        FormatError: when something of it is wrong.
    """
    data = json_object(text)
    if ignored is not None:
        ignored.update(key for key in data if key not in _FEEDBACK_KEYS | EXPORTED_ONLY)
    return feedback_record(data, line=line)


def feedback_record(data: dict[str, Any], *, line: int) -> FeedbackRecord:
    """The feedback in a row of any file format.

    Raises:
        FormatError: when something of it is wrong.
    """
    declined = optional_text(data, "declined_reason", path="", limit=REASON_LENGTH).strip()
    key = "value" if data.get("value") not in (None, "") or "label" not in data else "label"
    return FeedbackRecord(
        line=line,
        trace_id=identifier(data, "trace_id", path="", limit=TRACE_ID_LENGTH),
        name=_optional_identifier(data, "name", strip=False),
        value=None if declined else scalar(data, key, path=""),
        rationale=optional_text(data, "rationale", path="").strip(),
        declined_reason=declined,
        source_id=_optional_identifier(data, "source_id", strip=True),
        span_id=optional_text(data, "span_id", path="", limit=SPAN_ID_LENGTH),
        created_at=moment(data, "created_at"),
    )


def encode_line(row: dict[str, Any]) -> str:
    """One record as a line, its line end included."""
    return json.dumps(row, ensure_ascii=True, allow_nan=False) + "\n"


def _optional_identifier(data: dict[str, Any], key: str, *, strip: bool) -> str | None:
    if data.get(key) in (None, ""):
        return None
    return identifier(data, key, path="", limit=NAME_LENGTH, strip=strip)


def _tags(data: dict[str, Any]) -> dict[str, str] | None:
    tags = mapping(data, "tags")
    if tags is None:
        return None
    if len(tags) > MOST_TAGS:
        raise FormatError("tags", f"There are {len(tags):,} tags; {MOST_TAGS} are allowed.")
    for key, value in tags.items():
        if not isinstance(value, str):
            raise FormatError(
                f"tags.{shorten(key)}", f"A tag must be a text, not {kind_of(value)}."
            )
    return {clean_text(key): clean_text(value) for key, value in tags.items()}


def _assessments(data: dict[str, Any]) -> tuple[AssessmentRecord, ...]:
    found: dict[tuple[str, ...], AssessmentRecord] = {}
    for position, item in enumerate(sequence(data, "assessments", limit=MOST_ASSESSMENTS)):
        path = f"assessments[{position}]."
        if not isinstance(item, dict):
            raise FormatError(path[:-1], f"It must be an object, not {kind_of(item)}.")
        record = _assessment(item, path=path, position=position)
        key = (record.kind, record.name, record.source_type, record.source_id, record.span_id)
        if key in found:
            raise FormatError(
                path[:-1],
                f"“{shorten(record.source_id)}” assesses “{shorten(record.name)}” a second time in this trace "
                f"(first in assessments[{found[key].position}]); keep one of them.",
            )
        found[key] = record
    return tuple(found.values())


def _assessment(item: dict[str, Any], *, path: str, position: int) -> AssessmentRecord:
    check_keys(item, _ASSESSMENT_KEYS, path=path, remedy="leave it out.")
    kind = item.get("type", "feedback")
    if kind not in _KINDS:
        raise FormatError(f"{path}type", "It must be “feedback” or “expectation”.")
    source_type = identifier(item, "source_type", path=path, limit=NAME_LENGTH)
    if source_type not in SourceType.__members__:
        known = ", ".join(SourceType.__members__)
        raise FormatError(
            f"{path}source_type", f"“{shorten(source_type)}” is unknown; use one of {known}."
        )
    declined = optional_text(item, "declined_reason", path=path, limit=REASON_LENGTH).strip()
    if kind == "expectation":
        if item.get("value") is None:
            raise FormatError(f"{path}value", "An expectation needs a value.")
        value = item["value"]
    else:
        value = None if declined else scalar(item, "value", path=path)
    return AssessmentRecord(
        name=identifier(item, "name", path=path, limit=NAME_LENGTH, strip=False),
        value=value,
        source_type=source_type,
        source_id=identifier(item, "source_id", path=path, limit=NAME_LENGTH),
        rationale=optional_text(item, "rationale", path=path).strip(),
        declined_reason=declined,
        kind=_KINDS[kind],
        span_id=optional_text(item, "span_id", path=path, limit=SPAN_ID_LENGTH),
        created_at=moment(item, "created_at", path=path),
        position=position,
    )


def _spans(data: dict[str, Any]) -> tuple[Span, ...]:
    found: dict[str, Span] = {}
    for position, item in enumerate(sequence(data, "spans", limit=MOST_SPANS)):
        path = f"spans[{position}]."
        if not isinstance(item, dict):
            raise FormatError(path[:-1], f"It must be an object, not {kind_of(item)}.")
        span = _span(item, path=path)
        if span.span_id in found:
            raise FormatError(f"{path}span_id", "Another span of this trace has the same id.")
        found[span.span_id] = span
    return tuple(found.values())


def _span(item: dict[str, Any], *, path: str) -> Span:
    check_keys(item, _SPAN_KEYS, path=path, remedy="put it into “attributes”.")
    start_ns = whole_number(item, "start_ns", path=path, limit=_LATEST_NS)
    end_ns = whole_number(item, "end_ns", path=path, limit=_LATEST_NS)
    if start_ns is None:
        raise FormatError(f"{path}start_ns", "It is missing; give nanoseconds since 1970.")
    if end_ns is not None and end_ns < start_ns:
        raise FormatError(f"{path}end_ns", "The span ends before it starts.")
    return Span(
        span_id=identifier(item, "span_id", path=path, limit=SPAN_ID_LENGTH),
        parent_id=optional_text(item, "parent_id", path=path, limit=SPAN_ID_LENGTH),
        name=identifier(item, "name", path=path, limit=500),
        span_type=optional_text(item, "span_type", path=path, limit=60) or "UNKNOWN",
        start_ns=start_ns,
        end_ns=end_ns,
        inputs=item.get("inputs"),
        outputs=item.get("outputs"),
        status=optional_text(item, "status", path=path, limit=10) or "OK",
        status_message=optional_text(item, "status_message", path=path),
        attributes=mapping(item, "attributes", path=path) or {},
    )
