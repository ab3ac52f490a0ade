"""The body of a program's request: read, unpacked and parsed, all within limits."""

from __future__ import annotations

import json
import zlib
from typing import Any, Protocol

from django.conf import settings
from django.http import HttpRequest, UnreadablePostError

from annotator.ingest.errors import InvalidRequestError, TooLargeError

_CHUNK = 1 << 20
_MEGABYTE = 1 << 20
# zlib's names for the wrappers: gzip and zlib are told apart by their first bytes
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_RAW_DEFLATE = -zlib.MAX_WBITS


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read_body(request: HttpRequest, *, megabytes: int | None = None) -> bytes:
    """The body, unpacked when it came as gzip or deflate.

    Args:
        megabytes: The most that it may be, packed and unpacked; None for the setting.

    Raises:
        TooLargeError: when it is more than that.
        InvalidRequestError: when it was cut off or cannot be unpacked.
    """
    limit = (megabytes or settings.INGEST_BODY_MB) * _MEGABYTE
    raw = _read(request, limit)
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return raw
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise InvalidRequestError(
            "The Content-Encoding of the body must be gzip or deflate, or there must be none."
        )
    return _unpacked(raw, limit)


def json_of(raw: bytes) -> Any:
    """The JSON value in a body.

    Raises:
        InvalidRequestError: when there is none.
        TooLargeError: when it is nested deeper than the setting allows.
    """
    try:
        text = raw.decode("utf-8-sig")
        value = json.loads(text)
    except UnicodeDecodeError as error:
        raise InvalidRequestError(
            f"The body is not UTF-8: byte {error.start + 1} cannot be read."
        ) from None
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise InvalidRequestError(
            f"The body is not JSON: {error.msg} in line {error.lineno}, column {error.colno}."
        ) from None
    except ValueError:  # Python reads no integer of more than some thousand digits
        raise InvalidRequestError(
            "The body is not JSON that can be read: a number in it is too long."
        ) from None
    # Few brackets cannot be deep; counting them is quick, walking through a large body is not.
    if text.count("[") + text.count("{") > settings.INGEST_DEPTH:
        check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Refuse what is nested so deep that code that walks through it would fail.

    Raises:
        TooLargeError: when it is deeper than the setting allows.
    """
    level = [value]
    for _ in range(settings.INGEST_DEPTH + 1):
        level = [
            inner
            for item in level
            if isinstance(item, (dict, list))
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> TooLargeError:
    return TooLargeError(
        f"The body is nested deeper than {settings.INGEST_DEPTH} levels; flatten it, or have INGEST_DEPTH raised."
    )


def _read(request: HttpRequest, limit: int) -> bytes:
    announced = request.META.get("CONTENT_LENGTH") or "0"
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > limit:
        raise _too_large(limit)
    # A body that comes in chunks has no length, and Django reads none of it; the server knows where it ends.
    is_chunked = "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()
    stream: _Stream = (
        request.META["wsgi.input"]
        if is_chunked and request.META.get("wsgi.input_terminated")
        else request
    )
    parts: list[bytes] = []
    size = 0
    try:
        while part := stream.read(_CHUNK):
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
    except (UnreadablePostError, OSError):
        raise InvalidRequestError("The body ended before it was complete.") from None
    return b"".join(parts)


def _unpacked(raw: bytes, limit: int) -> bytes:
    """The unpacked body; of one that unpacks to more, no more than the limit is ever in memory."""
    for bits in (_GZIP_OR_ZLIB, _RAW_DEFLATE):
        unpack = zlib.decompressobj(bits)
        try:
            data = unpack.decompress(raw, limit + 1)
        except zlib.error:
            continue
        if len(data) > limit:
            raise _too_large(limit)
        if unpack.eof:
            return data
    raise InvalidRequestError("The body cannot be unpacked: it is damaged or cut off.")


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(
        f"The body is larger than {limit // _MEGABYTE} MB; send less at once, or have INGEST_BODY_MB raised."
    )
