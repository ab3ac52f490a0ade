"""Disagreements on one trace, of people among each other and with the judge: what kind, how costly, between which values.

The cost says how much harm confusing two values does, the spread how many of those who answered differ. A list sorted
by both starts with what is worth a lead's time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from alignment.sides import Side

__all__ = ["Disagreement", "Distance", "disagreement_on", "distance_between"]

OPPOSITE, ONE_NEUTRAL, SAME_SIDE = 100, 60, 25

Distance = Callable[[str, str], int]


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """How the answers on one trace differ; values are `value_key`s.

    Attributes:
        among_people: Whether people differ among each other.
        with_judge: Whether the verdict differs from the label that the answers make, or without one, and after
            settling by hand, from anybody's answer.
        cost: The distance of the two values farthest apart, from 1 to 100.
        spread: The mean distance of every two who answered, the judge being one of them, from 0 to 100.
        pair: The two values farthest apart: of people and judge `(people, judge)`, of people alone sorted.
        pair_with_judge: Whether the second value of the pair is the verdict.
    """

    among_people: bool
    with_judge: bool
    cost: int
    spread: int
    pair: tuple[str, str]
    pair_with_judge: bool

    @property
    def rank(self) -> tuple[int, int]:
        """The order of a list that starts with the worst: `(-cost, -spread)`."""
        return -self.cost, -self.spread


def distance_between(
    *,
    side_of: Callable[[str], Side] | None,
    place_of: Callable[[str], float | None] | None,
) -> Distance:
    """How far two values lie apart, from 0 to 100.

    Values on opposite sides are farthest apart, then one with a side and a neutral one; on an ordered scale, values of
    one side count by their distance on it.

    Args:
        side_of: The side of a value; None where the judge has no sides.
        place_of: The place of a value on an ordered scale, from 0 to 1; None where there is no order.
    """

    def distance(first: str, second: str) -> int:
        if first == second:
            return 0
        far = OPPOSITE if side_of is None and place_of is None else SAME_SIDE
        if side_of is not None:
            sides = {side_of(first), side_of(second)}
            if len(sides) == 2:
                far = ONE_NEUTRAL if Side.NEUTRAL in sides else OPPOSITE
        if place_of is not None:
            low, high = place_of(first), place_of(second)
            if low is not None and high is not None:
                far = max(far, round(100 * abs(high - low)))
        return far

    return distance


def disagreement_on(
    *,
    answers: Sequence[str],
    verdict: str | None,
    label: str | None,
    is_settled: bool = False,
    distance: Distance,
) -> Disagreement | None:
    """How the answers on one trace differ; None where they do not.

    Args:
        answers: What each person answered, one a person; "cannot judge" is no answer.
        verdict: What the judge says; None without a verdict.
        label: What the trace counts as; None where it counts as nothing.
        is_settled: Whether somebody settled the label, which does not unsay what people answered.
        distance: How far two values lie apart.
    """
    if len({*answers, verdict, label} - {None}) < 2:
        return None
    people = sorted(set(answers))
    counted = people if label is None else [label] if not is_settled else sorted({*people, label})
    with_judge = verdict is not None and any(value != verdict for value in counted)
    among_people = len(people) > 1
    if not (among_people or with_judge):
        return None
    pairs = [(first, second, False) for first, second in combinations(people, 2)]
    if with_judge and verdict is not None:
        pairs += [(value, verdict, True) for value in sorted(counted) if value != verdict]
    # Of several pairs equally far apart the first, people before the judge: no trace changes its cluster by chance.
    worst = max(pairs, key=lambda pair: distance(pair[0], pair[1]))
    everybody = Counter(answers)
    if verdict is not None:
        everybody[verdict] += 1
    total = sum(everybody.values())
    apart = sum(
        everybody[first] * everybody[second] * distance(first, second)
        for first, second in combinations(everybody, 2)
    )
    return Disagreement(
        among_people=among_people,
        with_judge=with_judge,
        cost=max(1, distance(worst[0], worst[1])),
        spread=round(apart / (total * (total - 1) / 2)) if total > 1 else 0,
        pair=worst[:2],
        pair_with_judge=worst[2],
    )
