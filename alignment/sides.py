"""Sides: which values of a judge are good news, bad news, or neither."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from judges.values import Value, ValueKind, ValueType, value_key

# "fair", "ok" and their like are left out on purpose: what they count for depends on their neighbours.
_WORDS = {
    "POSITIVE": (
        "excellent good great yes pass passed correct helpful true accurate relevant safe complete clear "
        "faithful grounded supported satisfied success successful compliant resolved polite perfect outstanding "
        "right positive better approve approved accept accepted acceptable high appropriate useful best"
    ),
    "NEGATIVE": (
        "poor bad no fail failed wrong incorrect unhelpful false inaccurate irrelevant unsafe incomplete unclear "
        "unfaithful ungrounded unsupported unsatisfied dissatisfied failure unsuccessful noncompliant unresolved "
        "impolite rude terrible awful negative worse reject rejected unacceptable low inappropriate useless worst "
        "toxic harmful"
    ),
    "NEUTRAL": "neutral mixed unsure unknown undecided n/a na",
}


class Side(StrEnum):
    """The class a value counts for in balance."""

    POSITIVE = "POSITIVE"
    NEGATIVE = "NEGATIVE"
    NEUTRAL = "NEUTRAL"


@dataclass(frozen=True, kw_only=True)
class Sides:
    """The side of every value of a judge.

    Attributes:
        by_value: Sides of single values, by `value_key`.
        positive_from: Numbers from here on are positive.
        negative_to: Numbers up to here are negative; a number that is both is neutral.
    """

    by_value: dict[str, Side] = field(default_factory=dict)
    positive_from: float | None = None
    negative_to: float | None = None

    def side_of(self, value: Value) -> Side:
        """The side of a value; neutral when nothing was decided for it."""
        decided = self.by_value.get(value_key(value))
        if decided is not None:
            return decided
        if isinstance(value, (bool, str)):
            return Side.NEUTRAL
        is_positive = self.positive_from is not None and value >= self.positive_from
        is_negative = self.negative_to is not None and value <= self.negative_to
        if is_positive == is_negative:
            return Side.NEUTRAL
        return Side.POSITIVE if is_positive else Side.NEGATIVE

    @property
    def is_decided(self) -> bool:
        """Whether some values are positive and some are negative, so that balance means something."""
        sides = set(self.by_value.values())
        has_positive = Side.POSITIVE in sides or self.positive_from is not None
        has_negative = Side.NEGATIVE in sides or self.negative_to is not None
        return has_positive and has_negative

    @classmethod
    def default_for(cls, value_type: ValueType) -> Sides:
        """A first guess: yes and well-known good words positive, the upper half of a scale positive, and so on.

        Where nothing can be guessed every value is neutral, and somebody has to decide.
        """
        if value_type.kind is ValueKind.BOOLEAN:
            return cls(by_value={"true": Side.POSITIVE, "false": Side.NEGATIVE})
        if value_type.kind is ValueKind.CATEGORY:
            return cls(by_value=_category_sides(value_type))
        if (
            value_type.is_numeric
            and value_type.minimum is not None
            and value_type.maximum is not None
        ):
            middle = (value_type.minimum + value_type.maximum) / 2
            if value_type.kind is ValueKind.INTEGER:
                return cls(positive_from=math.floor(middle) + 1, negative_to=math.ceil(middle) - 1)
            return cls(positive_from=middle, negative_to=middle)
        return cls()

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Sides:
        """The inverse of `to_dict`.

        Raises:
            ValueError: when a side is none of the three.
        """
        return cls(
            by_value={str(key): Side(side) for key, side in (data.get("by_value") or {}).items()},
            positive_from=data.get("positive_from"),
            negative_to=data.get("negative_to"),
        )

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        return {
            "by_value": {key: side.value for key, side in self.by_value.items()},
            "positive_from": self.positive_from,
            "negative_to": self.negative_to,
        }


def _category_sides(value_type: ValueType) -> dict[str, Side]:
    keys = [value_key(category) for category in value_type.categories]
    known = {key: side for key in keys if (side := _side_of_word(key)) is not None}
    if not value_type.ordered:
        return {key: known.get(key, Side.NEUTRAL) for key in keys}
    rising = list(value_type.categories)
    if _falls(rising, known):
        rising.reverse()
    by_position: dict[str, Side] = {}
    for position, category in enumerate(rising):
        distance = 2 * position - (len(rising) - 1)
        by_position[value_key(category)] = (
            Side.NEUTRAL if distance == 0 else Side.POSITIVE if distance > 0 else Side.NEGATIVE
        )
    return {key: known.get(key, by_position[key]) for key in keys}


def _side_of_word(key: str) -> Side | None:
    words = key.casefold().replace("_", " ").replace("-", " ").split()
    if not words:
        return None
    if words[0] in {"not", "non"} and len(words) > 1:
        opposite = {Side.POSITIVE: Side.NEGATIVE, Side.NEGATIVE: Side.POSITIVE}
        inner = _side_of_word(" ".join(words[1:]))
        return opposite.get(inner) if inner is not None else None
    if words[0] in {"very", "mostly", "fully", "completely"} and len(words) > 1:
        words = words[1:]
    if len(words) != 1:
        return None
    return next((side for side in Side if words[0] in _WORDS[side].split()), None)


def _falls(categories: list[Value], known: dict[str, Side]) -> bool:
    """Whether the declared order runs from best to worst, as in “excellent, good, fair, poor”."""
    numbers = [c for c in categories if isinstance(c, (int, float)) and not isinstance(c, bool)]
    if len(numbers) == len(categories):
        return numbers[0] > numbers[-1]
    return _mean_position(categories, known, Side.POSITIVE, default=math.inf) < _mean_position(
        categories, known, Side.NEGATIVE, default=(len(categories) - 1) / 2
    ) or _mean_position(categories, known, Side.NEGATIVE, default=-math.inf) > _mean_position(
        categories, known, Side.POSITIVE, default=(len(categories) - 1) / 2
    )


def _mean_position(
    categories: Iterable[Value], known: dict[str, Side], side: Side, *, default: float
) -> float:
    positions = [i for i, c in enumerate(categories) if known.get(value_key(c)) is side]
    return sum(positions) / len(positions) if positions else default
