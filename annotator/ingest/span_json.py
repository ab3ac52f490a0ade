"""Spans as MLflow's client reads them: protobuf's JSON for `traces/get`, and the file `traces.json`, read and written."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from annotator.ingest.any_values import attributes_to_json, integer, sendable
from annotator.ingest.limits import BeyondLimitError, Limits
from annotator.ingest.lines import FormatError
from annotator.ingest.otlp import KINDS, STATUS_CODES
from annotator.ingest.span_records import (
    INPUTS,
    OUTPUTS,
    REQUEST_ID,
    STATUSES,
    TYPE,
    WireSpan,
    hex_id,
    record_of,
)
from annotator.records import SpanRecord

_HEX = frozenset("0123456789abcdef")
COLUMNS = (
    *("span_id", "parent_id", "name", "kind", "span_type", "start_ns", "end_ns", "inputs"),
    *("outputs", "status", "status_message", "attributes", "events", "links"),
)

Row = Mapping[str, Any]


def encode(trace_id: str, row: Row) -> dict[str, Any]:
    """A span for `traces/get` and `batchGet`: ids in base64, attributes as AnyValues.

    Args:
        row: The span's columns (`COLUMNS`), JSON already read.
    """
    span = _start(trace_id, row)
    span["attributes"] = attributes_to_json(_attributes(trace_id, row))
    span["events"] = [
        {
            "name": sendable(event["name"]),
            "time_unix_nano": event["time_ns"],
            "attributes": attributes_to_json(event["attributes"]),
        }
        for event in row["events"]
    ]
    if row["links"]:
        span["links"] = [
            {
                "trace_id": _base64(link["trace_id"], 16),
                "span_id": _base64(link["span_id"], 8),
                "attributes": attributes_to_json(link["attributes"]),
            }
            for link in row["links"]
        ]
    return span


def encode_file(trace_id: str, rows: Sequence[Row]) -> str:
    """The file `traces.json`: the same, but attributes as an object of JSON texts."""
    spans = []
    for row in rows:
        span = _start(trace_id, row)
        span.setdefault("parent_span_id", None)
        span["status"].setdefault("message", "")
        span["attributes"] = {
            sendable(key): json.dumps(_readable(value))
            for key, value in _attributes(trace_id, row).items()
        }
        span["events"] = [
            {
                "name": sendable(event["name"]),
                "time_unix_nano": event["time_ns"],
                "attributes": _readable(event["attributes"]),
            }
            for event in row["events"]
        ]
        span["links"] = []
        spans.append(span)
    return json.dumps({"spans": spans})


def decode_file(data: Any, trace_id: str, limits: Limits) -> list[SpanRecord]:
    """The spans in a file `traces.json` of one trace.

    Raises:
        FormatError: when it is none, or a span in it belongs to another trace.
        BeyondLimitError: when there are too many spans.
    """
    spans = data.get("spans") if isinstance(data, dict) else None
    if not isinstance(spans, list) or not all(isinstance(span, dict) for span in spans):
        raise FormatError("spans", "It must be a list of objects.")
    if len(spans) > limits.spans:
        raise BeyondLimitError(
            f"There are {len(spans):,} spans in the file and {limits.spans:,} are allowed; have INGEST_SPANS raised."
        )
    records = [record_of(_from_file(span), {}, limits, may_be_large=True) for span in spans]
    for record in records:
        if record.trace_id != trace_id:
            raise FormatError(
                "spans.trace_id", f"A span belongs to {record.trace_id}, the file to {trace_id}."
            )
    return records


def root_of(
    trace_id: str,
    *,
    name: str,
    start_ns: int,
    end_ns: int,
    inputs: Any,
    outputs: Any,
    is_error: bool,
) -> Row:
    """The one step of a trace that was recorded without any, so that programs find its content where they look."""
    return {
        "span_id": hashlib.sha256(trace_id.encode()).hexdigest()[:16],
        "parent_id": "",
        "name": name,
        "kind": 1,
        "span_type": "UNKNOWN",
        "start_ns": start_ns,
        "end_ns": end_ns,
        "inputs": inputs,
        "outputs": outputs,
        "status": "ERROR" if is_error else "OK",
        "status_message": "",
        "attributes": {},
        "events": [],
        "links": [],
    }


def _start(trace_id: str, row: Row) -> dict[str, Any]:
    span: dict[str, Any] = {
        "trace_id": _base64(trace_id.removeprefix("tr-"), 16),
        "span_id": _base64(row["span_id"], 8),
        "name": row["name"],
        "kind": f"SPAN_KIND_{KINDS[row['kind'] if 0 <= row['kind'] < len(KINDS) else 0]}",
        "start_time_unix_nano": row["start_ns"],
        "end_time_unix_nano": row["end_ns"] or 0,
        "status": {
            "code": f"STATUS_CODE_{row['status'] if row['status'] in STATUSES else 'UNSET'}"
        },
    }
    if row["parent_id"]:
        span["parent_span_id"] = _base64(row["parent_id"], 8)
    if row["status_message"]:
        span["status"]["message"] = row["status_message"]
    return span


def _attributes(trace_id: str, row: Row) -> dict[str, Any]:
    own: dict[str, Any] = {REQUEST_ID: trace_id, TYPE: row["span_type"]}
    if row["inputs"] is not None:
        own[INPUTS] = row["inputs"]
    if row["outputs"] is not None:
        own[OUTPUTS] = row["outputs"]
    own.update(row["attributes"])
    return own


def _base64(text: str, length: int) -> str:
    """An id as base64. Ids of other lengths, from files, become some id that is always the same for them."""
    if len(text) == length * 2 and _HEX.issuperset(text):
        raw = bytes.fromhex(text)
    else:
        raw = hashlib.sha256(text.encode()).digest()[:length]
    return base64.b64encode(raw).decode()


def _readable(value: Any) -> Any:
    """The value without halves of characters. NaN stays: the only reader of these files is Python, which knows it."""
    if isinstance(value, str):
        return sendable(value)
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, dict):
        return {sendable(key): _readable(item) for key, item in value.items()}
    return value


def _from_file(span: dict[str, Any]) -> WireSpan:
    status = span.get("status")
    status = status if isinstance(status, dict) else {}
    attributes = _object(span, "attributes")
    parent = span.get("parent_span_id")
    return WireSpan(
        trace_id=_hex(span.get("trace_id"), 16, "trace_id"),
        span_id=_hex(span.get("span_id"), 8, "span_id"),
        parent_id=_hex(parent, 8, "parent_span_id") if parent else "",
        name=_text(span, "name"),
        kind=_number_of(span.get("kind"), [f"SPAN_KIND_{kind}" for kind in KINDS], otherwise=1),
        start_ns=_time(span, "start_time_unix_nano"),
        end_ns=_time(span, "end_time_unix_nano"),
        attributes={key: _parsed(value) for key, value in attributes.items()},
        events=[
            {
                "name": _text(event, "name"),
                "time_ns": _time(event, "time_unix_nano"),
                "attributes": _object(event, "attributes"),
            }
            for event in _objects(span, "events")
        ],
        links=[
            {
                "trace_id": _hex(link.get("trace_id"), 16, "links.trace_id"),
                "span_id": _hex(link.get("span_id"), 8, "links.span_id"),
                "attributes": _object(link, "attributes"),
            }
            for link in _objects(span, "links")
        ],
        status=_number_of(status.get("code"), list(STATUS_CODES), otherwise=0),
        status_message=_text(status, "message"),
    )


def _hex(value: Any, length: int, field: str) -> str:
    if not isinstance(value, str):
        raise FormatError(field, "It must be an id in base64.")
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise FormatError(field, "It must be an id in base64.") from None
    return hex_id(raw.hex(), length * 2, field=field)


def _parsed(value: Any) -> Any:
    """What an attribute's JSON text says; whatever is no JSON text is taken as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise FormatError(key, "It must be a text.")
    return value


def _time(data: dict[str, Any], key: str) -> int:
    value = data.get(key)
    return 0 if value is None else integer(value, field=key)


def _object(data: dict[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise FormatError(key, "It must be an object.")
    return value


def _objects(data: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = data.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise FormatError(key, "It must be a list of objects.")
    return value


def _number_of(value: Any, names: list[str], *, otherwise: int) -> int:
    if isinstance(value, int) and 0 <= value < len(names):
        return value
    return names.index(value) if value in names else otherwise
