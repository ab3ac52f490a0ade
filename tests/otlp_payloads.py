"""OTLP for tests: spans as dicts in the form of OTLP/JSON, and the same as protobuf."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

START = 1_795_417_629_940_027_382


def any_value(value: Any) -> dict[str, Any]:
    """A value as OTLP/JSON writes it."""
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": pairs(value)}}
    return {"stringValue": value}


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    """Attributes as OTLP/JSON writes them."""
    return [{"key": key, "value": any_value(value)} for key, value in attributes.items()]


def span(
    number: int,
    *,
    trace: str = "a",
    parent: int | None = None,
    name: str | None = None,
    attributes: dict[str, Any] | None = None,
    start_ms: int = 0,
    length_ms: int = 10,
    **fields: Any,
) -> dict[str, Any]:
    """A span with ids made of its number and the trace's name."""
    start = START + start_ms * 10**6
    return {
        "traceId": trace_hex(trace),
        "spanId": f"{number:016x}",
        **({} if parent is None else {"parentSpanId": f"{parent:016x}"}),
        "name": name or f"step {number}",
        "kind": 1,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + length_ms * 10**6),
        "attributes": pairs(attributes or {}),
        **fields,
    }


def trace_hex(name: str) -> str:
    """The hex id of a trace with that name."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def trace_id(name: str) -> str:
    """The id of a trace with that name."""
    return f"tr-{trace_hex(name)}"


def request(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> dict[str, Any]:
    """An export request of the spans."""
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": pairs(resource or {})},
                "scopeSpans": [{"scope": {"name": "tests"}, "spans": list(spans)}],
            }
        ]
    }


def as_json(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> bytes:
    """The request as OTLP/JSON."""
    return json.dumps(request(*spans, resource=resource)).encode()


def as_protobuf(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> bytes:
    """The request as protobuf, made by the public schema."""
    data = _with_base64_ids(request(*spans, resource=resource))
    message: Any = ExportTraceServiceRequest()
    json_format.ParseDict(data, message)
    body: bytes = message.SerializeToString()
    return body


def _with_base64_ids(data: Any) -> Any:
    """The data as protobuf's own JSON has it, where ids are base64."""
    if isinstance(data, list):
        return [_with_base64_ids(item) for item in data]
    if not isinstance(data, dict):
        return data
    return {
        key: base64.b64encode(bytes.fromhex(value)).decode()
        if key in ("traceId", "spanId", "parentSpanId")
        else _with_base64_ids(value)
        for key, value in data.items()
    }
