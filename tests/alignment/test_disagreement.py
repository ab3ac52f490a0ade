"""Disagreements on one trace: what kind, how costly, between which values."""

from __future__ import annotations

import pytest

from alignment.disagreement import Disagreement, disagreement_on, distance_between
from alignment.sides import Side

SIDES = {"excellent": Side.POSITIVE, "good": Side.POSITIVE, "poor": Side.NEGATIVE}
PLACES = {"excellent": 0.0, "good": 0.33, "fair": 0.67, "poor": 1.0}


def side_of(key: str) -> Side:
    return SIDES.get(key, Side.NEUTRAL)


both = distance_between(side_of=side_of, place_of=PLACES.get)
sides_alone = distance_between(side_of=side_of, place_of=None)
plain = distance_between(side_of=None, place_of=None)


@pytest.mark.parametrize(
    ("first", "second", "with_scale", "by_side", "by_name"),
    [
        ("good", "good", 0, 0, 0),
        ("excellent", "good", 33, 25, 100),
        ("good", "fair", 60, 60, 100),
        ("excellent", "fair", 67, 60, 100),
        ("good", "poor", 100, 100, 100),
        ("good", "no value of the judge", 60, 60, 100),
    ],
)
def test_values_lie_apart_by_their_sides_and_by_their_places_on_a_scale(
    first: str, second: str, with_scale: int, by_side: int, by_name: int
) -> None:
    for distance, expected in ((both, with_scale), (sides_alone, by_side), (plain, by_name)):
        assert distance(first, second) == distance(second, first) == expected


@pytest.mark.parametrize(
    ("answers", "verdict", "label", "is_settled", "expected"),
    [
        ([], None, None, False, None),
        (["good"], None, "good", False, None),
        (["good"], "good", "good", False, None),
        (["good", "good"], "good", "good", False, None),
        (["good"], "poor", "good", False, (False, True, 100, ("good", "poor"))),
        (["good", "poor"], None, None, False, (True, False, 100, ("good", "poor"))),
        (["good", "poor"], "good", None, False, (True, True, 100, ("good", "poor"))),
        (["good", "good", "fair"], "good", "good", False, (True, False, 60, ("fair", "good"))),
        (["good", "good", "fair"], "poor", "good", False, (True, True, 100, ("good", "poor"))),
        (["good"], "poor", "poor", True, (False, True, 100, ("good", "poor"))),
        (["good", "good"], "good", "poor", True, (False, True, 100, ("poor", "good"))),
    ],
)
def test_a_disagreement_says_who_differs_and_between_which_values(
    answers: list[str],
    verdict: str | None,
    label: str | None,
    is_settled: bool,
    expected: tuple[bool, bool, int, tuple[str, str]] | None,
) -> None:
    found = disagreement_on(
        answers=answers, verdict=verdict, label=label, is_settled=is_settled, distance=both
    )
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert (found.among_people, found.with_judge, found.cost, found.pair) == expected


def test_the_order_is_by_cost_and_then_by_how_many_differ() -> None:
    def rank(*answers: str, verdict: str | None = None) -> tuple[int, int]:
        found = disagreement_on(answers=answers, verdict=verdict, label=None, distance=both)
        assert isinstance(found, Disagreement)
        return found.rank

    ranks = [
        rank("good", "poor", "good", "poor"),
        rank("good", "poor", "poor", "poor"),
        rank("good", "poor", "poor", "poor", "poor", verdict="poor"),
        rank("good", "fair"),
        rank("excellent", "good"),
    ]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)


def test_the_order_of_the_answers_changes_nothing() -> None:
    answers = ["poor", "good", "fair", "excellent"]
    found = {
        disagreement_on(answers=order, verdict="fair", label=None, distance=both)
        for order in (answers, answers[::-1], sorted(answers))
    }
    assert len(found) == 1
