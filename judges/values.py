"""What a judge's verdict may be: a yes or no, a category, a whole number, a number, or text.

One type travels everywhere: it makes the form people fill in, the JSON schema a model answers to, and the
comparison of a verdict with a label. Values are compared by `value_key`, so 4 equals 4.0 and True is not 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, get_args, get_origin

from judges.errors import InvalidJudgeError

Value = bool | int | float | str

_LONGEST_QUOTE = 80  # characters of a wrong value that an error repeats
_LARGEST = 2**63  # what databases and JSON readers can keep of a number


class InvalidValueError(ValueError):
    """The value is not one that the declared type allows; the message says which ones are."""


class ValueKind(StrEnum):
    """The five kinds of value."""

    BOOLEAN = "BOOLEAN"
    CATEGORY = "CATEGORY"
    INTEGER = "INTEGER"
    NUMBER = "NUMBER"
    TEXT = "TEXT"


def value_key(value: object) -> str:
    """The canonical text of a value: equal keys mean equal values (`4` and `4.0`, never `True` and `1`)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


@dataclass(frozen=True, kw_only=True)
class ValueType:
    """The declared type of a judge's value.

    Attributes:
        kind: One of the five kinds.
        categories: The allowed values of a CATEGORY, in their declared order.
        ordered: Whether that order means something (poor < fair < good).
        minimum: Lowest allowed INTEGER or NUMBER, or None for no bound.
        maximum: Highest allowed INTEGER or NUMBER, or None for no bound.
    """

    kind: ValueKind
    categories: tuple[Value, ...] = ()
    ordered: bool = False
    minimum: float | None = None
    maximum: float | None = None

    def __post_init__(self) -> None:
        if self.kind is ValueKind.CATEGORY:
            if len(self.categories) < 2:
                raise InvalidJudgeError("A category judge needs at least two categories.")
            keys = [value_key(category) for category in self.categories]
            if any(not key.strip() or key != key.strip() for key in keys):
                raise InvalidJudgeError(
                    "A category must not be empty or start or end with a blank."
                )
            folded = [key.casefold() for key in keys]
            for key in keys:
                if folded.count(key.casefold()) > 1:
                    raise InvalidJudgeError(
                        f"The category “{key}” is there twice; write each one once."
                    )
        for bound in (self.minimum, self.maximum):
            if bound is not None and not abs(bound) <= _LARGEST:  # so, because NaN is not either
                raise InvalidJudgeError(
                    f"{bound} cannot bound a value: the bounds must be numbers within ±{_LARGEST}."
                )
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise InvalidJudgeError("The lowest allowed number must be below the highest.")

    @classmethod
    def from_annotation(cls, annotation: object) -> ValueType:
        """The type of `bool`, `int`, `float`, `str`, `Literal[...]` or None (text), as `make_judge` takes it.

        Raises:
            InvalidJudgeError: for any other annotation.
        """
        if isinstance(annotation, ValueType):
            return annotation
        plain: dict[object, ValueKind] = {
            bool: ValueKind.BOOLEAN,
            int: ValueKind.INTEGER,
            float: ValueKind.NUMBER,
            str: ValueKind.TEXT,
            None: ValueKind.TEXT,
        }
        if annotation is None or (isinstance(annotation, type) and annotation in plain):
            return cls(kind=plain[annotation])
        if get_origin(annotation) is Literal:
            members = get_args(annotation)
            if all(isinstance(member, (bool, int, float, str)) for member in members):
                return cls(kind=ValueKind.CATEGORY, categories=tuple(members), ordered=True)
        raise InvalidJudgeError(
            f"feedback_value_type {annotation!r} is not supported: use bool, int, float, str or "
            "Literal[...] of texts, numbers or booleans."
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ValueType:
        """The inverse of `to_dict`."""
        return cls(
            kind=ValueKind(data["kind"]),
            categories=tuple(data.get("categories", ())),
            ordered=bool(data.get("ordered", False)),
            minimum=data.get("minimum"),
            maximum=data.get("maximum"),
        )

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        return {
            "kind": self.kind.value,
            "categories": list(self.categories),
            "ordered": self.ordered,
            "minimum": self.minimum,
            "maximum": self.maximum,
        }

    @property
    def is_numeric(self) -> bool:
        """Whether values are numbers on a scale."""
        return self.kind in {ValueKind.INTEGER, ValueKind.NUMBER}

    @property
    def choices(self) -> tuple[Value, ...]:
        """Every allowed value where they can be listed (yes/no, categories, short integer ranges), else ()."""
        if self.kind is ValueKind.BOOLEAN:
            return (True, False)
        if self.kind is ValueKind.CATEGORY:
            return self.categories
        if (
            self.kind is ValueKind.INTEGER
            and self.minimum is not None
            and self.maximum is not None
            and self.maximum - self.minimum < 9
        ):
            return tuple(range(math.ceil(self.minimum), math.floor(self.maximum) + 1))
        return ()

    def describe(self) -> str:
        """The type in words, as people and models read it: `one of: excellent, good, fair, poor`."""
        if self.kind is ValueKind.BOOLEAN:
            return "true or false"
        if self.kind is ValueKind.CATEGORY:
            return "one of: " + ", ".join(value_key(category) for category in self.categories)
        if self.kind is ValueKind.TEXT:
            return "text"
        noun = "a whole number" if self.kind is ValueKind.INTEGER else "a number"
        if self.minimum is not None and self.maximum is not None:
            return f"{noun} from {value_key(self.minimum)} to {value_key(self.maximum)}"
        if self.minimum is not None:
            return f"{noun} of at least {value_key(self.minimum)}"
        if self.maximum is not None:
            return f"{noun} of at most {value_key(self.maximum)}"
        return noun

    def json_schema(self) -> dict[str, Any]:
        """The JSON schema of one value."""
        if self.kind is ValueKind.BOOLEAN:
            return {"type": "boolean"}
        if self.kind is ValueKind.CATEGORY:
            return {"enum": list(self.categories)}
        if self.kind is ValueKind.TEXT:
            return {"type": "string"}
        # Strict schemas of several providers refuse minimum and maximum, so the bounds go into the description.
        return {
            "type": "integer" if self.kind is ValueKind.INTEGER else "number",
            "description": self.describe(),
        }

    def parse(self, raw: object) -> Value:
        """The typed value that `raw` stands for: JSON scalars, and the texts people and models write for them.

        Raises:
            InvalidValueError: when it is none of the allowed values. The message names them.
        """
        value = self._coerce(raw)
        if value is None:
            raise InvalidValueError(f"{_quoted(raw)} is not {self.describe()}")
        if self.is_numeric and not isinstance(value, str):
            too_low = self.minimum is not None and value < self.minimum
            too_high = self.maximum is not None and value > self.maximum
            if too_low or too_high:
                raise InvalidValueError(f"{value_key(value)} is not {self.describe()}")
        return value

    def _coerce(self, raw: object) -> Value | None:
        if self.kind is ValueKind.BOOLEAN:
            if isinstance(raw, bool):
                return raw
            words = {"true": True, "yes": True, "false": False, "no": False}
            return words.get(_plain(raw)) if isinstance(raw, str) else None
        if self.kind is ValueKind.CATEGORY:
            return self._category(raw)
        if self.kind is ValueKind.TEXT:
            return raw if isinstance(raw, str) and raw.strip() else None
        return self._number(raw)

    def _category(self, raw: object) -> Value | None:
        if not isinstance(raw, (bool, int, float, str)):
            return None
        exact = {value_key(category): category for category in self.categories}
        if value_key(raw) in exact:
            return exact[value_key(raw)]
        folded = {value_key(category).casefold(): category for category in self.categories}
        return folded.get(_plain(raw)) if isinstance(raw, str) else None

    def _number(self, raw: object) -> int | float | None:
        if isinstance(raw, bool):
            return None
        if isinstance(raw, str):
            text = raw.strip()
            if "/" in text:  # "4/5": how models like to write a grade
                text = text.split("/", 1)[0].strip()
            try:
                raw = float(text)
            except ValueError:
                return None
        if (
            not isinstance(raw, (int, float)) or not abs(raw) <= _LARGEST
        ):  # so, because NaN is not either
            return None
        if self.kind is ValueKind.INTEGER:
            return int(raw) if float(raw).is_integer() else None
        return raw


def _quoted(raw: object) -> str:
    text = repr(raw)
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"


def _plain(text: str) -> str:
    return text.strip().strip(".!\"'`*").casefold()
