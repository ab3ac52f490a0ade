"""Files of lines: read with bounds, and what is wrong with them said in sentences."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, BinaryIO

from annotator.records import Refusal

LONGEST_LINE = 32 * 1024 * 1024
DEEPEST = 100

_COMPRESSED = {b"\x1f\x8b": "gzip", b"PK": "zip", b"BZ": "bzip2", b"\xfd7": "xz"}
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


class UnreadableFileError(ValueError):
    """The file as a whole cannot be read; the message says why and what to do."""


class FormatError(ValueError):
    """One part of a line is wrong: `field` says which, the message why and what to do."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason

    def at(self, line: int) -> Refusal:
        """The refusal of the line."""
        return Refusal(line=line, field=self.field, reason=self.reason)


def check_start(start: bytes) -> None:
    """Look at the first bytes of a file.

    Raises:
        UnreadableFileError: when it is compressed, UTF-16 or a JSON list.
    """
    packed = _COMPRESSED.get(start[:2])
    if packed:
        raise UnreadableFileError(f"The file is compressed ({packed}); unpack it first.")
    if start.startswith(_UTF16_BOMS):
        raise UnreadableFileError("The file is in UTF-16; save it as UTF-8.")


def text_lines(stream: BinaryIO) -> Iterator[tuple[int, str | Refusal]]:
    """The lines of a UTF-8 file that are not blank, with their numbers from 1; no line is held beyond its limit.

    Raises:
        UnreadableFileError: when the file is empty or no text in UTF-8 at all.
    """
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        if number == 1:
            check_start(line)
            line = line.removeprefix(_UTF8_BOM)
        if len(line) > LONGEST_LINE:
            while line and not line.endswith(b"\n"):
                line = stream.readline(LONGEST_LINE)
            limit = LONGEST_LINE // 1024**2
            reason = f"The line is longer than {limit} MB; shorten what it holds."
            yield number, Refusal(line=number, field="", reason=reason)
            continue
        try:
            text = line.decode().strip()
        except UnicodeDecodeError as error:
            reason = f"Byte {error.start + 1} is not UTF-8; save the file as UTF-8."
            yield number, Refusal(line=number, field="", reason=reason)
            continue
        if text:
            yield number, text
    if not number:
        raise UnreadableFileError("The file is empty.")


def json_object(text: str) -> dict[str, Any]:
    """The JSON object on a line.

    Raises:
        FormatError: when it is none, or nested deeper than anything here can handle.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        remedy = "each record must be one JSON object on one line"
        if text.startswith("[") or text in {"{", "}", "],", "]"}:
            remedy = "write one object per line, without a list around them and without line breaks inside"
        raise FormatError(
            "", f"Not valid JSON at character {error.pos + 1} ({error.msg}); {remedy}."
        ) from None
    except ValueError:
        raise FormatError(
            "", "A whole number in it has thousands of digits; write it as text."
        ) from None
    except RecursionError:
        raise FormatError("", f"It is nested deeper than {DEEPEST} levels; flatten it.") from None
    if not isinstance(data, dict):
        what = "a list" if isinstance(data, list) else "a bare value"
        raise FormatError("", f"The line is {what}; write one JSON object per line.")
    if _is_deeper(data, DEEPEST):
        raise FormatError("", f"It is nested deeper than {DEEPEST} levels; flatten it.")
    return data


def check_keys(data: dict[str, Any], known: frozenset[str], *, path: str, remedy: str) -> None:
    """Refuse a key that nobody would read, such as a misspelt one.

    Raises:
        FormatError: which names the key and the nearest known one, or else the remedy.
    """
    for key in data:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean “{near[0]}”?" if near else remedy
            raise FormatError(f"{path}{key}"[:200], f"This key is unknown; {hint}")


def _is_deeper(data: Any, levels: int) -> bool:
    layer = [data]
    for _ in range(levels):
        inner: list[Any] = []
        for value in layer:
            if isinstance(value, dict):
                inner.extend(value.values())
            elif isinstance(value, list):
                inner.extend(value)
        if not inner:
            return False
        layer = inner
    return True
