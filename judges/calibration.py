"""What a judge's answers on a scale stand for: a map, learnt from labels, from what its model says to what experts mean.

A model that is always one grade too kind needs no better words, only a shifted scale. The map never turns the order
round: a higher answer never comes out lower.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from judges.values import Value, ValueKind, ValueType, value_key


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A map from a model's answers to verdicts. Exactly one of the two is filled.

    Attributes:
        grades: For values that can be listed: pairs of the model's answer and the verdict it stands for.
        points: For numbers: pairs of answer and verdict, rising; between them the map is a straight line.
    """

    grades: tuple[tuple[Value, Value], ...] = ()
    points: tuple[tuple[float, float], ...] = ()

    def apply(self, value: Value, value_type: ValueType) -> Value:
        """The verdict that an answer stands for; a value the map does not know stays as it is."""
        if self.points and not isinstance(value, str):
            number = self._on_the_line(float(value))
            is_whole = value_type.kind is ValueKind.INTEGER
            return value_type.parse(round(number) if is_whole else round(number, 6))
        wanted = {value_key(answer): verdict for answer, verdict in self.grades}
        return wanted.get(value_key(value), value)

    def _on_the_line(self, number: float) -> float:
        answers = [answer for answer, _ in self.points]
        position = bisect_right(answers, number)
        if position == 0:
            return self.points[0][1]
        if position == len(answers):
            return self.points[-1][1]
        (x0, y0), (x1, y1) = self.points[position - 1], self.points[position]
        return y0 + (y1 - y0) * (number - x0) / (x1 - x0)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What it does, for people: “4” counts as “3”."""
        changed = [(a, v) for a, v in self.grades if value_key(a) != value_key(v)]
        moved = [(a, v) for a, v in self.points if abs(a - v) > 1e-9]
        return tuple(
            f"“{value_key(answer)}” counts as “{value_key(verdict)}”"
            for answer, verdict in (*changed, *moved)
        )

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        return {
            "grades": [list(pair) for pair in self.grades],
            "points": [list(pair) for pair in self.points],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """The inverse of `to_dict`."""
        return cls(
            grades=tuple((answer, verdict) for answer, verdict in data["grades"]),
            points=tuple((answer, verdict) for answer, verdict in data["points"]),
        )
