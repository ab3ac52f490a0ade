"""What a verdict is worth: a near miss on a scale more than a wild one, and each kind of error what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alignment.sides import Side, Sides
from judges.values import Value, ValueKind, ValueType, value_key


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What the two kinds of wrong verdict cost, relative to each other.

    Attributes:
        false_positive: A positive verdict where the label is negative.
        false_negative: A negative verdict where the label is positive.
    """

    false_positive: float = 1.0
    false_negative: float = 1.0

    def __post_init__(self) -> None:
        if not (0 < self.false_positive < float("inf") and 0 < self.false_negative < float("inf")):
            raise ValueError("The cost of a wrong verdict must be a number above 0.")

    @property
    def differ(self) -> bool:
        """Whether one kind of error is worse than the other."""
        return self.false_positive != self.false_negative

    def to_dict(self) -> dict[str, float]:
        """A JSON-able form."""
        return {"false_positive": self.false_positive, "false_negative": self.false_negative}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Costs:
        """The inverse of `to_dict`."""
        return cls(**data)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What verdicts are worth: the one measure by which judges are optimised, chosen and promoted.

    Attributes:
        value_type: What verdicts may be; on an ordered scale a near miss earns a part.
        sides: The side of each value.
        costs: What the two kinds of error cost.
    """

    value_type: ValueType
    sides: Sides = field(default_factory=Sides)
    costs: Costs = field(default_factory=Costs)

    @property
    def counts(self) -> str:
        """What counts beside right and wrong, in plain words; empty where nothing does."""
        words = []
        if self._has_near_misses:
            words.append("near misses counted in part")
        if self.costs.differ:
            (less, cheap), (more, dear) = sorted(
                [(self.costs.false_positive, "positive"), (self.costs.false_negative, "negative")]
            )
            words.append(
                f"a false {dear} counted {more / less:.3g} times as much as a false {cheap}"
            )
        return " and ".join(words)

    @property
    def _has_near_misses(self) -> bool:
        value_type = self.value_type
        if value_type.is_numeric:
            return value_type.minimum is not None and value_type.maximum is not None
        is_ordered = value_type.kind is ValueKind.CATEGORY and value_type.ordered
        return is_ordered and len(value_type.categories) > 2

    def credit(self, label: Value, verdict: Value | None) -> float:
        """How much a verdict is worth, from 0 to 1; one that failed is worth nothing.

        What is lost by distance is weighed by the cost of the error, as a share of the dearer one.
        """
        lost = 1.0 - closeness(self.value_type, label, verdict)
        if not lost or not self.costs.differ:
            return 1.0 - lost
        costs = self.costs
        of_label = self.sides.side_of(label)
        # A verdict that failed is the worst error that its label allows.
        of_verdict = self.sides.side_of(verdict) if verdict is not None else _opposite(of_label)
        dearest = max(costs.false_positive, costs.false_negative)
        price = {
            (Side.NEGATIVE, Side.POSITIVE): costs.false_positive,
            (Side.POSITIVE, Side.NEGATIVE): costs.false_negative,
        }.get((of_label, of_verdict), min(costs.false_positive, costs.false_negative))
        return 1.0 - lost * price / dearest


def closeness(value_type: ValueType, label: Value, verdict: Value | None) -> float:
    """How near a verdict is, from 0 to 1: 1 minus the distance over the range, where values have an order and a range;
    else 1 for equal and 0 for not."""
    if verdict is None:
        return 0.0
    if value_key(label) == value_key(verdict):
        return 1.0
    if value_type.kind is ValueKind.CATEGORY and value_type.ordered:
        order = [value_key(category) for category in value_type.categories]
        if value_key(label) in order and value_key(verdict) in order:
            steps = abs(order.index(value_key(label)) - order.index(value_key(verdict)))
            return 1.0 - steps / (len(order) - 1)
        return 0.0
    if (
        value_type.is_numeric
        and value_type.minimum is not None
        and value_type.maximum is not None
        and not isinstance(label, str)
        and not isinstance(verdict, str)
    ):
        return max(0.0, 1.0 - abs(label - verdict) / (value_type.maximum - value_type.minimum))
    return 0.0


def _opposite(side: Side) -> Side:
    return {Side.POSITIVE: Side.NEGATIVE, Side.NEGATIVE: Side.POSITIVE}.get(side, side)
