"""The fields of a program's request, from its JSON body or its address: typed, bounded, each wrong one named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, overload

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest

from annotator.ingest.body import json_of, read_body
from annotator.ingest.errors import InvalidRequestError
from judges.answers import clean_text

LARGEST = 2**63 - 1

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_WHOLE = re.compile(r"[+-]?[0-9]{1,25}(?:\.0{1,10})?", re.ASCII)


class Message:
    """A JSON object whose fields are asked for by name. As in protobuf, null and absent are the same.

    Attributes:
        data: The object as it came.
    """

    def __init__(self, data: Mapping[str, Any], *, path: str = "") -> None:
        self.data = data
        self._path = path

    @classmethod
    def from_body(cls, request: HttpRequest) -> Message:
        """The fields of the request's JSON body; none when it is empty.

        Raises:
            ApiError: when it is no JSON object, or too large.
        """
        raw = read_body(request)
        data = json_of(raw) if raw.strip() else {}
        if not isinstance(data, dict):
            raise InvalidRequestError("The body must be a JSON object.")
        return cls(data)

    @classmethod
    def from_address(cls, request: HttpRequest) -> Message:
        """The fields of the request's query; one that is there several times is a list.

        Raises:
            InvalidRequestError: when there are too many.
        """
        try:
            query = request.GET
        except SuspiciousOperation:
            raise InvalidRequestError("The address has too many parameters.") from None
        return cls(
            {
                name: values if len(values) > 1 else values[0]
                for name, values in query.lists()
                if values
            }
        )

    def __contains__(self, name: str) -> bool:
        return self.data.get(name) is not None

    def text(self, name: str, *, longest: int = 250, default: str | None = None) -> str:
        """A text; without a default it must be there and not be empty."""
        value = self.data.get(name)
        if value is None or value == "":
            if default is None:
                raise self.wrong(name, "it is missing; give it a text.")
            return default
        if not isinstance(value, str):
            raise self.wrong(name, f"it must be a text, not {kind_of(value)}.")
        if len(value) > longest:
            raise self.wrong(name, f"it has {len(value):,} characters; {longest:,} are allowed.")
        if _UNSTORABLE.search(value):
            raise self.wrong(name, "it holds a NUL or half a character; take that out.")
        return value

    def prose(self, name: str, *, longest: int) -> str:
        """A text for people, or ""; what no database stores (NUL, half characters) is taken out."""
        value = self.data.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(name, f"it must be a text, not {kind_of(value)}.")
        if len(value) > longest:
            raise self.wrong(name, f"it has {len(value):,} characters; {longest:,} are allowed.")
        return clean_text(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false, in JSON or in words."""
        value = self.data.get(name)
        if value is None or value == "":
            return default
        word = value.lower() if isinstance(value, str) else value
        if word is True or word == "true":
            return True
        if word is False or word == "false":
            return False
        raise self.wrong(name, f"it must be true or false, not {kind_of(value)}.")

    def moment(self, name: str) -> datetime | None:
        """A time such as 2026-11-23T07:07:09.856Z, to the millisecond; None when it is not there."""
        value = self.data.get(name)
        if value is None:
            return None
        found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
        try:
            if found is None:
                raise ValueError
            date, fraction, zone = found.groups()
            moment = datetime.fromisoformat(f"{date.upper()}{'+00:00' if zone in 'zZ' else zone}")
            milliseconds = int((fraction or "0").ljust(3, "0")[:3])
            moment = moment.astimezone(UTC) + timedelta(milliseconds=milliseconds)
        except (ValueError, OverflowError):
            raise self.wrong(
                name, "it must be a time with its zone, such as 2026-11-23T07:07:09.856Z."
            ) from None
        if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            raise self.wrong(name, f"it must be from {_FIRST_YEAR} to {_LAST_YEAR}.")
        return moment

    @overload
    def integer(self, name: str, *, default: int, least: int = ..., most: int = ...) -> int: ...

    @overload
    def integer(self, name: str, *, least: int = ..., most: int = ...) -> int | None: ...

    def integer(
        self,
        name: str,
        *,
        default: int | None = None,
        least: int = -LARGEST - 1,
        most: int = LARGEST,
    ) -> int | None:
        """A whole number, also one written as a decimal text, as protobuf allows; the default when it is not there."""
        value = self.data.get(name)
        if value is None or value == "":
            return default
        number = _whole(value)
        if number is None:
            raise self.wrong(name, f"it must be a whole number, not {kind_of(value)}.")
        if not least <= number <= most:
            raise self.wrong(name, f"it must be from {least} to {most}.")
        return number

    def share(self, name: str) -> float:
        """A number from 0 to 1, which must be there."""
        value = self.data.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.wrong(name, f"it must be a number, not {kind_of(value)}.")
        if not 0 <= value <= 1:  # NaN is neither
            raise self.wrong(name, "it must be from 0 to 1.")
        return float(value)

    def texts(self, name: str, *, most: int, longest: int = 250) -> list[str]:
        """A list of texts; a single one may come alone. Empty when it is not there."""
        value = self.data.get(name)
        if value is None:
            return []
        items = value if isinstance(value, list) else [value]
        if len(items) > most:
            raise self.wrong(name, f"it has {len(items):,} entries; {most:,} are allowed.")
        inner = Message(
            {str(position): item for position, item in enumerate(items)},
            path=f"{self._path}{name}.",
        )
        return [inner.text(position, longest=longest) for position in inner.data]

    def message(self, name: str) -> Message | None:
        """An object inside; None when it is not there."""
        value = self.data.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(name, f"it must be an object, not {kind_of(value)}.")
        return Message(value, path=f"{self._path}{name}.")

    def messages(self, name: str, *, most: int) -> list[Message]:
        """A list of objects inside; empty when it is not there."""
        value = self.data.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(name, f"it must be a list, not {kind_of(value)}.")
        if len(value) > most:
            raise self.wrong(name, f"it has {len(value):,} entries; {most:,} are allowed.")
        for position, item in enumerate(value):
            if not isinstance(item, dict):
                raise self.wrong(
                    f"{name}.{position}", f"it must be an object, not {kind_of(item)}."
                )
        return [
            Message(item, path=f"{self._path}{name}.{position}.")
            for position, item in enumerate(value)
        ]

    def mapping(
        self, name: str, *, most: int, longest_key: int = 250, longest: int = 100_000
    ) -> dict[str, str]:
        """An object of texts, such as tags; a number or true in it is taken as its JSON text, null is left out."""
        inner = self.message(name)
        if inner is None:
            return {}
        if len(inner.data) > most:
            raise self.wrong(name, f"it has {len(inner.data):,} entries; {most:,} are allowed.")
        found = {}
        for key, value in inner.data.items():
            if not key or len(key) > longest_key or _UNSTORABLE.search(key):
                raise self.wrong(
                    name, f"each key must be a text of 1 to {longest_key} readable characters."
                )
            if isinstance(value, bool):
                found[key] = "true" if value else "false"
            elif isinstance(value, (int, float)):
                found[key] = str(value)
            elif value is not None:
                found[key] = inner.text(key, longest=longest, default="")
        return found

    def wrong(self, name: str, why: str) -> InvalidRequestError:
        """The error for one of the fields."""
        return InvalidRequestError(f"Invalid value for parameter '{self._path}{name}': {why}")


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    if isinstance(value, bool):
        return "true or false"
    words = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return words.get(type(value), "nothing")


def _whole(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value.strip().partition(".")[0])
    return None
