"""OTLP, OpenTelemetry's protocol: the spans of an export request, in protobuf or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from annotator.ingest.any_values import attributes_from_json, attributes_from_protobuf, integer
from annotator.ingest.fields import shorten
from annotator.ingest.limits import BeyondLimitError, Limits, check_depth, too_deep
from annotator.ingest.lines import FormatError
from annotator.ingest.span_records import LATEST_NS, WireSpan, hex_id, record_of
from annotator.records import SpanRecord

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
STATUS_CODES = ("STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR")


def decode_protobuf(body: bytes, limits: Limits) -> list[SpanRecord]:
    """The spans in an ExportTraceServiceRequest.

    Raises:
        FormatError: when it is none, or a span in it has no ids.
        BeyondLimitError: when there are too many spans, or data is nested too deeply.
    """
    # loaded by the first export: pages need none of it
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise FormatError(
            "", f"The body is no ExportTraceServiceRequest in protobuf ({error})."
        ) from None
    groups = [
        (attributes_from_protobuf(group.resource.attributes), scope.spans)
        for group in request.resource_spans
        for scope in group.scope_spans
    ]
    _check_count(sum(len(spans) for _, spans in groups), limits)
    may_be_large = len(body) > limits.attribute
    records: list[SpanRecord] = []
    for resource, spans in groups:
        for span in spans:
            wire = _from_protobuf(span)
            # the parser allows about 30 levels of its own; only a lower limit has to be looked at
            if limits.depth < 40:
                check_depth(wire.attributes, limits)
            records.append(record_of(wire, resource, limits, may_be_large=may_be_large))
    return records


def decode_json(body: bytes, limits: Limits) -> list[SpanRecord]:
    """The spans in an export request as OTLP/JSON: ids in hex, whole numbers as texts or numbers.

    Raises:
        FormatError: when it is none, or a span in it has no ids.
        BeyondLimitError: when there are too many spans, or data is nested too deeply.
    """
    try:
        request = json.loads(body)
    except RecursionError:
        raise too_deep(limits) from None
    except ValueError as error:
        raise FormatError("", f"The body is no JSON ({shorten(error)}).") from None
    if not isinstance(request, dict):
        raise FormatError("", "The body must be a JSON object with “resourceSpans”.")
    # each level of an attribute is three of its encoding, and seven are around it
    check_depth(request, Limits(depth=limits.depth * 3 + 7))
    groups: list[tuple[dict[str, Any], list[Any]]] = []
    for group in _objects(request, "resourceSpans", "resource_spans"):
        resource = group.get("resource") or {}
        if not isinstance(resource, dict):
            raise FormatError("resource", "It must be an object.")
        attributes = attributes_from_json(resource.get("attributes"), field="resource.attributes")
        for scope in _objects(group, "scopeSpans", "scope_spans"):
            groups.append((attributes, _objects(scope, "spans", "spans")))
    _check_count(sum(len(spans) for _, spans in groups), limits)
    may_be_large = len(body) > limits.attribute
    return [
        record_of(_from_json(span), resource, limits, may_be_large=may_be_large)
        for resource, spans in groups
        for span in spans
    ]


def _check_count(count: int, limits: Limits) -> None:
    if not count:
        raise FormatError("resourceSpans", "There are no spans in it.")
    if count > limits.spans:
        raise BeyondLimitError(
            f"There are {count:,} spans in one request and {limits.spans:,} are allowed; send fewer at once, "
            "or raise INGEST_SPANS."
        )


def _from_protobuf(span: Span) -> WireSpan:
    return WireSpan(
        trace_id=hex_id(span.trace_id.hex(), 32, field="traceId"),
        span_id=hex_id(span.span_id.hex(), 16, field="spanId"),
        parent_id=_parent(span.parent_span_id.hex()),
        flags=span.flags,
        name=span.name,
        kind=span.kind,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=attributes_from_protobuf(span.attributes),
        events=[
            {
                "name": event.name,
                "time_ns": event.time_unix_nano,
                "attributes": attributes_from_protobuf(event.attributes),
            }
            for event in span.events
        ],
        links=[
            {
                "trace_id": link.trace_id.hex(),
                "span_id": link.span_id.hex(),
                "attributes": attributes_from_protobuf(link.attributes),
            }
            for link in span.links
        ],
        status=span.status.code,
        status_message=span.status.message,
    )


def _from_json(span: dict[str, Any]) -> WireSpan:
    status = span.get("status") or {}
    if not isinstance(status, dict):
        raise FormatError("status", "It must be an object.")
    return WireSpan(
        trace_id=hex_id(_text(span, "traceId", "trace_id"), 32, field="traceId"),
        span_id=hex_id(_text(span, "spanId", "span_id"), 16, field="spanId"),
        parent_id=_parent(_text(span, "parentSpanId", "parent_span_id")),
        flags=_number(span, "flags", "flags"),
        name=_text(span, "name", "name"),
        kind=_enum(span.get("kind"), [f"SPAN_KIND_{kind}" for kind in KINDS], "kind"),
        start_ns=_number(span, "startTimeUnixNano", "start_time_unix_nano"),
        end_ns=_number(span, "endTimeUnixNano", "end_time_unix_nano"),
        attributes=attributes_from_json(span.get("attributes"), field="attributes"),
        events=[_event(event) for event in _objects(span, "events", "events")],
        links=[_link(link) for link in _objects(span, "links", "links")],
        status=_enum(status.get("code"), STATUS_CODES, "status.code"),
        status_message=_text(status, "message", "message"),
    )


def _event(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": _text(event, "name", "name"),
        "time_ns": min(max(_number(event, "timeUnixNano", "time_unix_nano"), 0), LATEST_NS),
        "attributes": attributes_from_json(event.get("attributes"), field="events.attributes"),
    }


def _link(link: dict[str, Any]) -> dict[str, Any]:
    return {
        "trace_id": hex_id(_text(link, "traceId", "trace_id"), 32, field="links.traceId"),
        "span_id": hex_id(_text(link, "spanId", "span_id"), 16, field="links.spanId"),
        "attributes": attributes_from_json(link.get("attributes"), field="links.attributes"),
    }


def _parent(text: str) -> str:
    return hex_id(text, 16, field="parentSpanId") if text.strip("0") else ""


def _objects(data: dict[str, Any], camel: str, snake: str) -> list[dict[str, Any]]:
    found = _either(data, camel, snake)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise FormatError(camel, "It must be a list of objects.")
    return found


def _either(data: dict[str, Any], camel: str, snake: str) -> Any:
    found = data.get(camel)
    return data.get(snake) if found is None else found


def _text(data: dict[str, Any], camel: str, snake: str) -> str:
    found = _either(data, camel, snake)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise FormatError(camel, "It must be a text.")
    return found


def _number(data: dict[str, Any], camel: str, snake: str) -> int:
    found = _either(data, camel, snake)
    return 0 if found in (None, "") else integer(found, field=camel)


def _enum(value: Any, names: list[str] | tuple[str, ...], field: str) -> int:
    """The number of an enum; an unknown name or number is 0, as protobuf has it."""
    if value in (None, ""):
        return 0
    if isinstance(value, str) and not value.lstrip("-").isdigit():
        return names.index(value) if value in names else 0
    number = integer(value, field=field)
    return number if 0 <= number < len(names) else 0


Decoder = Callable[[bytes, Limits], list[SpanRecord]]
DECODERS: dict[str, Decoder] = {
    "application/x-protobuf": decode_protobuf,
    "application/json": decode_json,
}
