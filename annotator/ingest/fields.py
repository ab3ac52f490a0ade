"""Single fields of foreign records: checked, bounded, typed."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from annotator.ingest.lines import FormatError
from judges.answers import clean_text

LONGEST_TEXT = 100_000
LONGEST_TEXT_VALUE = 10_000
LARGEST_NUMBER = 10**15

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_YEAR = 2200


def identifier(data: dict[str, Any], key: str, *, path: str, limit: int, strip: bool = True) -> str:
    """A required text that names something: one line, not empty, nothing invisible in it.

    Args:
        strip: Whether blanks at its ends are wrong; where names are compared later, that comparison says so better.
    """
    field = f"{path}{key}"
    if key not in data:
        raise FormatError(field, "It is missing; every record needs it.")
    text = data[key]
    if not isinstance(text, str):
        raise FormatError(field, f"It must be a text, not {kind_of(text)}.")
    if not text.strip():
        raise FormatError(field, "It is empty; give it a text.")
    if strip and text != text.strip():
        raise FormatError(field, f"“{shorten(text)}” begins or ends with a blank; remove it.")
    if len(text) > limit:
        raise FormatError(field, f"It has {len(text):,} characters; {limit} are allowed.")
    if _CONTROL.search(text):
        raise FormatError(field, "It holds a line break or another invisible character; remove it.")
    return text


def optional_text(data: dict[str, Any], key: str, *, path: str, limit: int = LONGEST_TEXT) -> str:
    """A text for people, or "". What no database stores (NUL, half characters) is taken out."""
    text = data.get(key)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise FormatError(f"{path}{key}", f"It must be a text, not {kind_of(text)}.")
    if len(text) > limit:
        raise FormatError(
            f"{path}{key}", f"It has {len(text):,} characters; {limit:,} are allowed."
        )
    return clean_text(text)


def mapping(data: dict[str, Any], key: str, *, path: str = "") -> dict[str, Any] | None:
    """A JSON object, or None when it was not given."""
    value = data.get(key)
    if value is None or isinstance(value, dict):
        return value
    raise FormatError(f"{path}{key}", f"It must be a JSON object, not {kind_of(value)}.")


def sequence(data: dict[str, Any], key: str, *, limit: int) -> list[Any]:
    """A JSON list of bounded length, or [] when it was not given."""
    value = data.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise FormatError(key, f"It must be a list, not {kind_of(value)}.")
    if len(value) > limit:
        raise FormatError(key, f"It has {len(value):,} entries; {limit:,} are allowed.")
    return value


def whole_number(data: dict[str, Any], key: str, *, path: str = "", limit: int) -> int | None:
    """A whole number from 0 to `limit`, or None when it was not given; fractions are rounded."""
    value = data.get(key)
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= limit:
        return round(value)  # NaN does not come here: it fails the comparison
    raise FormatError(f"{path}{key}", f"It must be a number from 0 to {limit}.")


def moment(data: dict[str, Any], key: str, *, path: str = "") -> datetime | None:
    """A time as ISO 8601 (UTC when it names no zone) or as milliseconds since 1970; None when it was not given."""
    value = data.get(key)
    if value is None or value == "":
        return None
    remedy = "write it like 2026-11-23T07:07:09Z or as milliseconds since 1970."
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value.strip())
            found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found = _EPOCH + timedelta(milliseconds=value)
        else:
            raise FormatError(f"{path}{key}", f"It must be a time, not {kind_of(value)}; {remedy}")
    except (ValueError, OverflowError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}{key}", f"“{shorten(value)}” is not a time; {remedy}") from None
    if not _EPOCH.year <= found.year <= _LATEST_YEAR:
        raise FormatError(f"{path}{key}", f"The year {found.year} cannot be right; {remedy}")
    return found


def scalar(data: dict[str, Any], key: str, *, path: str) -> bool | int | float | str:
    """The value of an assessment: yes or no, a number, or a text."""
    field = f"{path}{key}"
    value = data.get(key)
    if value is None:
        raise FormatError(field, "There is no value; leave it out where nobody gave one.")
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        if isinstance(value, float) and not math.isfinite(value):
            raise FormatError(
                field, "NaN and infinity are no values; leave it out where nobody gave one."
            )
        if abs(value) > LARGEST_NUMBER:
            raise FormatError(field, f"The number is beyond ±{LARGEST_NUMBER:,}; write it as text.")
        return value
    if not isinstance(value, str):
        raise FormatError(
            field, f"It must be true, false, a number or a text, not {kind_of(value)}."
        )
    if not value.strip():
        raise FormatError(field, "The value is empty; leave it out where nobody gave one.")
    if len(value) > LONGEST_TEXT_VALUE:
        raise FormatError(
            field,
            f"The text has {len(value):,} characters; {LONGEST_TEXT_VALUE:,} are allowed. Put reasons into “rationale”.",
        )
    if _UNSTORABLE.search(value):
        raise FormatError(field, "It holds a NUL or half a character; remove it.")
    return value


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "something else")


def shorten(value: object) -> str:
    """A value as a message quotes it: printable, at most 60 characters."""
    text = _CONTROL.sub("\ufffd", str(value))
    return text if len(text) <= 60 else text[:59] + "…"
