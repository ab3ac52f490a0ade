"""One span as the wire has it, whatever the encoding, into the record that is stored."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from annotator.ingest.conventions import Understood, understood
from annotator.ingest.limits import Limits, is_deeper
from annotator.ingest.lines import FormatError
from annotator.records import SpanRecord
from judges.answers import clean_text

LATEST_NS = 2**63 - 1
NAME_LENGTH = 500
TYPE_LENGTH = 60
MESSAGE_LENGTH = 10_000
KEY_LENGTH = 250
TAG_LENGTH = 4096

INPUTS = "mlflow.spanInputs"
OUTPUTS = "mlflow.spanOutputs"
TYPE = "mlflow.spanType"
REQUEST_ID = "mlflow.traceRequestId"
STATUSES = ("UNSET", "OK", "ERROR")

_HEX = frozenset("0123456789abcdef")
_TAG_PREFIX = "mlflow.traceTag."
_SESSION = "mlflow.trace.session"
_USER = "mlflow.trace.user"
_SESSION_KEYS = ("session.id", "gen_ai.conversation.id")
_USER_KEYS = ("user.id", "enduser.id")
_RESOURCE_TAGS = ("service.name", "service.version", "deployment.environment.name")
_REMOTE_IS_KNOWN, _REMOTE = 0x100, 0x200  # bits of a span's flags


@dataclass(kw_only=True, slots=True)
class WireSpan:
    """A span as decoded from any encoding: ids in hex, times as numbers, attributes as JSON, nothing interpreted."""

    trace_id: str
    span_id: str
    parent_id: str
    flags: int = 0
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    status: int = 0
    status_message: str = ""


def record_of(
    span: WireSpan, resource: dict[str, Any], limits: Limits, *, may_be_large: bool
) -> SpanRecord:
    """The record of a span.

    Args:
        resource: The attributes of what sent it.
        may_be_large: Whether an attribute may be beyond its limit; False spares measuring each.
    """
    attributes = {key: _unwrapped(value, limits) for key, value in span.attributes.items()}
    if may_be_large:
        attributes = {key: bounded(value, limits) for key, value in attributes.items()}
    attributes.pop(REQUEST_ID, None)
    session = next((attributes[key] for key in _SESSION_KEYS if attributes.get(key)), None)
    user = next((attributes[key] for key in _USER_KEYS if attributes.get(key)), None)
    is_native = INPUTS in attributes or OUTPUTS in attributes or TYPE in attributes
    foreign = Understood() if is_native else understood(attributes, span.events)
    attributes |= foreign.attributes
    session, user = session or foreign.session, user or foreign.user
    metadata = {}
    if session is not None:
        metadata[_SESSION] = _text_of(session)[:KEY_LENGTH]
    if user is not None:
        metadata[_USER] = _text_of(user)[:KEY_LENGTH]
    span_type = attributes.pop(TYPE, None) or foreign.span_type or "UNKNOWN"
    return SpanRecord(
        trace_id=f"tr-{span.trace_id}",
        span_id=span.span_id,
        parent_id=span.parent_id,
        has_remote_parent=bool(span.flags & _REMOTE_IS_KNOWN and span.flags & _REMOTE),
        name=clean_text(span.name)[:NAME_LENGTH] or "unnamed",
        span_type=_text_of(span_type)[:TYPE_LENGTH],
        kind=span.kind if 0 <= span.kind <= 5 else 0,
        start_ns=min(max(span.start_ns, 0), LATEST_NS),
        end_ns=min(max(span.end_ns, 0), LATEST_NS) or None,
        inputs=attributes.pop(INPUTS, foreign.inputs),
        outputs=attributes.pop(OUTPUTS, foreign.outputs),
        status=STATUSES[span.status] if 0 <= span.status <= 2 else "UNSET",
        status_message=clean_text(span.status_message)[:MESSAGE_LENGTH],
        attributes=attributes,
        events=span.events,
        links=span.links,
        tags={} if span.parent_id else _tags(attributes, resource, span.name),
        metadata=metadata,
    )


def bounded(value: Any, limits: Limits) -> Any:
    """The value, or as much of it as an attribute may hold, with a mark where something was cut.

    Long texts inside are cut first, since they are what makes a value large; the shape around them then stays.
    """
    size = len(value) if isinstance(value, str) else len(json.dumps(value))
    if size <= limits.attribute:
        return value
    if not isinstance(value, str):
        for length in (limits.attribute // 10, limits.attribute // 1000):
            cut = _with_short_texts(value, length)
            if len(json.dumps(cut)) <= limits.attribute:
                return cut
        value = json.dumps(value)
    return _cut(value, limits.attribute)


def hex_id(value: str, length: int, *, field: str) -> str:
    """An id of so many hex digits, in lower case.

    Raises:
        FormatError: when it is anything else, or all zeros, which OpenTelemetry calls invalid.
    """
    text = value.lower()
    if len(text) != length or not _HEX.issuperset(text):
        raise FormatError(field, f"It must have {length} hex digits; a span needs its ids.")
    if not text.strip("0"):
        raise FormatError(field, "It is all zeros, which is no id.")
    return text


def _unwrapped(value: Any, limits: Limits) -> Any:
    """What is inside a text of JSON; senders whose attributes can only be texts write objects and lists so."""
    if not isinstance(value, str) or value[:1] not in ("{", "[", '"'):
        return value
    try:
        inside = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return value if is_deeper(inside, limits.depth) else inside


def _with_short_texts(value: Any, length: int) -> Any:
    if isinstance(value, str):
        return _cut(value, length) if len(value) > length else value
    if isinstance(value, list):
        return [_with_short_texts(item, length) for item in value]
    if isinstance(value, dict):
        return {key[:KEY_LENGTH]: _with_short_texts(item, length) for key, item in value.items()}
    return value


def _cut(text: str, length: int) -> str:
    return f"{text[:length]}… [cut: it had {len(text):,} characters]"


def _tags(attributes: dict[str, Any], resource: dict[str, Any], name: str) -> dict[str, str]:
    tags = {"mlflow.traceName": clean_text(name)[:KEY_LENGTH]} if name else {}
    tags |= {
        key: _text_of(resource[key])[:TAG_LENGTH] for key in _RESOURCE_TAGS if resource.get(key)
    }
    for key in [key for key in attributes if key.startswith(_TAG_PREFIX)]:
        tag = clean_text(key.removeprefix(_TAG_PREFIX))[:KEY_LENGTH]
        if tag:
            tags[tag] = _text_of(attributes[key])[:TAG_LENGTH]
    return tags


def _text_of(value: Any) -> str:
    return clean_text(value if isinstance(value, str) else json.dumps(value))
