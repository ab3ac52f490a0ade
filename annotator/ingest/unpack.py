"""Compressed bodies, unpacked with a bound: a bomb of a few kilobytes is refused, not unpacked to gigabytes."""

from __future__ import annotations

import zlib

from annotator.ingest.limits import MEGABYTE, Limits, TooLargeError
from annotator.ingest.lines import FormatError

_GZIP = 16 + zlib.MAX_WBITS


def unpacked(body: bytes, encoding: str, limits: Limits) -> bytes:
    """The body as it was before it was compressed.

    Args:
        encoding: The header Content-Encoding: gzip, deflate, or identity.

    Raises:
        TooLargeError: when it is larger than `limits.unpacked`.
        FormatError: when it cannot be unpacked.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    try:
        if encoding in ("gzip", "x-gzip"):
            return _inflated(body, _GZIP, limits)
        if encoding == "deflate":
            # with a zlib header as the standard says, or bare as some send it
            has_header = (
                body[:1] == b"\x78" and len(body) > 1 and (body[0] << 8 | body[1]) % 31 == 0
            )
            return _inflated(body, zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS, limits)
    except zlib.error as error:
        raise FormatError("Content-Encoding", f"The body is no {encoding} ({error}).") from None
    raise FormatError(
        "Content-Encoding", f"“{encoding[:60]}” is not understood; send gzip, deflate or identity."
    )


def _inflated(body: bytes, wbits: int, limits: Limits) -> bytes:
    parts: list[bytes] = []
    remaining = limits.unpacked
    while body:  # gzip may have several members
        inflater = zlib.decompressobj(wbits)
        part = inflater.decompress(body, remaining + 1)
        remaining -= len(part)
        if remaining < 0:
            raise TooLargeError(
                f"The body is larger than {limits.unpacked // MEGABYTE} MB when unpacked; send fewer spans at "
                "once, or raise INGEST_MAX_UNPACKED_MB."
            )
        if not inflater.eof:
            raise FormatError(
                "Content-Encoding", "The compressed body ends too early; send it whole."
            )
        parts.append(part)
        body = inflater.unused_data
    return b"".join(parts)
