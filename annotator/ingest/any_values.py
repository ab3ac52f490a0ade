"""AnyValue, OpenTelemetry's typed JSON: from protobuf and both kinds of JSON, and into what the client reads."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from annotator.ingest.lines import FormatError

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def from_protobuf(value: AnyValue) -> Any:
    """The JSON in a protobuf value; bytes become base64."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind == "int_value":
        return value.int_value
    if kind == "kvlist_value":
        return attributes_from_protobuf(value.kvlist_value.values)
    if kind == "array_value":
        return [from_protobuf(item) for item in value.array_value.values]
    if kind == "bool_value":
        return value.bool_value
    if kind == "double_value":
        return value.double_value
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return None


def attributes_from_protobuf(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """The JSON object in a list of keys and values."""
    return {pair.key: from_protobuf(pair.value) for pair in pairs}


def from_json(value: Any, *, field: str) -> Any:
    """The JSON in a value of OTLP/JSON.

    Raises:
        FormatError: when it is not of that form.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise FormatError(field, "A value must be an object such as {“stringValue”: “…”}.")
    for names, read in _READERS:
        for name in names:
            if value.get(name) is not None:
                return read(value[name], field)
    return None


def attributes_from_json(pairs: Any, *, field: str) -> dict[str, Any]:
    """The JSON object in a list of `{"key", "value"}`.

    Raises:
        FormatError: when it is not of that form.
    """
    found: dict[str, Any] = {}
    for pair in _list(pairs, field):
        if not isinstance(pair, dict) or not isinstance(pair.get("key"), str):
            raise FormatError(field, "It must be a list of {“key”: “…”, “value”: {…}}.")
        found[pair["key"]] = from_json(pair.get("value"), field=field)
    return found


def to_json(value: Any) -> dict[str, Any] | None:
    """A value as the client's protobuf parser takes it; None for null, which is said by leaving it out.

    It refuses whole numbers beyond 64 bits, bare NaN and halves of surrogate pairs, and with them everything on the
    page; these become a text, a text that it knows, and a question mark.
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return {"bool_value": value}
    if isinstance(value, str):
        return {"string_value": sendable(value)}
    if isinstance(value, int):
        if _SMALLEST <= value <= _LARGEST:
            return {"int_value": value}
        return {"string_value": str(value)}
    if isinstance(value, float):
        return {"double_value": value if math.isfinite(value) else _special(value)}
    if isinstance(value, list):
        return {"array_value": {"values": [to_json(item) or {} for item in value]} if value else {}}
    return {"kvlist_value": {"values": attributes_to_json(value)} if value else {}}


def attributes_to_json(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    """A list of `{"key", "value"}` as the client's protobuf parser takes it."""
    pairs: list[dict[str, Any]] = []
    for key, value in attributes.items():
        pair: dict[str, Any] = {"key": sendable(key)}
        encoded = to_json(value)
        if encoded is not None:
            pair["value"] = encoded
        pairs.append(pair)
    return pairs


def sendable(text: str) -> str:
    """The text without halves of surrogate pairs; NUL may stay."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def integer(value: Any, *, field: str) -> int:
    """A whole number of 64 bits that JSON has as a number or as a text.

    Raises:
        FormatError: when it is none.
    """
    if isinstance(value, bool):
        raise FormatError(field, "It must be a whole number, not true or false.")
    if isinstance(value, int):
        return value
    try:
        if isinstance(value, float):
            return int(value)
        if isinstance(value, str):
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise FormatError(field, "It must be a whole number, or one written as a text.")


def _special(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _list(value: Any, field: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise FormatError(field, "It must be a list.")
    return value


def _string(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise FormatError(field, "A stringValue must be a text.")
    return value


def _bool(value: Any, field: str) -> bool:
    if not isinstance(value, bool):
        raise FormatError(field, "A boolValue must be true or false.")
    return value


def _double(value: Any, field: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if isinstance(value, str):
        if value in _SPECIAL:
            return _SPECIAL[value]
        try:
            return float(value)
        except ValueError:
            pass
    raise FormatError(field, "A doubleValue must be a number.")


def _values(value: Any, field: str) -> list[Any]:
    if not isinstance(value, dict):
        raise FormatError(field, "It must be {“values”: […]}.")
    return _list(value.get("values"), field)


def _array(value: Any, field: str) -> list[Any]:
    return [from_json(item, field=field) for item in _values(value, field)]


def _kvlist(value: Any, field: str) -> dict[str, Any]:
    return attributes_from_json(_values(value, field), field=field)


def _integer(value: Any, field: str) -> int:
    return integer(value, field=field)


_READERS = (
    (("stringValue", "string_value"), _string),
    (("intValue", "int_value"), _integer),
    (("boolValue", "bool_value"), _bool),
    (("doubleValue", "double_value"), _double),
    (("arrayValue", "array_value"), _array),
    (("kvlistValue", "kvlist_value"), _kvlist),
    (("bytesValue", "bytes_value"), _string),
)
