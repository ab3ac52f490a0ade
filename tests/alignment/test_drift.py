"""Control limits over rounds of checks, and shifts in the mix of verdicts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from alignment.drift import MixShift, Round, Tally, control_chart, mix_shift, round_of
from alignment.sides import Side

START = datetime(2026, 3, 2, tzinfo=UTC)
POSITIVE, NEGATIVE = Side.POSITIVE, Side.NEGATIVE
BASELINE = {
    1: (Tally(hits=22, n=24), {POSITIVE: Tally(hits=11, n=12), NEGATIVE: Tally(hits=11, n=12)})
}


def check(
    week: int, hits: int, n: int = 20, *, version: int = 1, negative_hits: int | None = None
) -> Round:
    half = n // 2
    lost = hits - half if negative_hits is None else negative_hits
    return Round(
        at=START + timedelta(weeks=week),
        version=version,
        total=Tally(hits=hits, n=n),
        by_side={POSITIVE: Tally(hits=hits - lost, n=half), NEGATIVE: Tally(hits=lost, n=n - half)},
    )


def test_a_round_like_the_ones_before_is_in_control() -> None:
    chart = control_chart([check(1, 18), check(2, 19), check(3, 17)], BASELINE)
    assert [point.broken for point in chart] == [(), (), ()]
    assert all(point.low is not None and point.low < 0.85 < (point.high or 0) for point in chart)


def test_a_judge_that_turns_one_side_around_is_out_of_control_in_its_first_round() -> None:
    (point,) = control_chart([check(1, 10, negative_hits=0)], BASELINE)
    assert point.broken == (None, NEGATIVE)


def test_limits_get_narrower_with_every_round_in_control_and_not_with_one_that_is_out() -> None:
    rounds = [check(1, 18), check(2, 18), check(3, 8), check(4, 18)]
    first, second, third, fourth = control_chart(rounds, BASELINE)
    assert first.low is not None and second.low is not None  # noqa: PT018 - for the type checker
    assert second.low > first.low
    assert third.broken
    assert fourth.center == third.center


def test_a_version_that_nothing_is_known_of_has_no_limits_until_a_round_has_shown_it() -> None:
    first, second = control_chart([check(1, 10, version=2), check(2, 18, version=2)], BASELINE)
    assert (first.center, first.low, first.broken) == (None, None, ())
    assert second.center is not None


def test_a_round_that_hardly_anybody_answered_is_left_out() -> None:
    assert control_chart([check(1, 1, n=4)], BASELINE) == []


def test_a_version_that_never_erred_is_not_out_of_control_for_one_error() -> None:
    (point,) = control_chart([check(1, 19)], {1: (Tally(hits=30, n=30), {})})
    assert point.broken == ()


def test_false_alarms_are_rare_when_nothing_changes() -> None:
    dice = np.random.default_rng(4)
    rounds = []
    for week in range(300):
        pairs = [
            (bool(dice.random() < 0.88), POSITIVE if dice.random() < 0.5 else NEGATIVE)
            for _ in range(20)
        ]
        rounds.append(round_of(at=START + timedelta(weeks=week), version=1, pairs=pairs))
    baseline = {
        1: (Tally(hits=88, n=100), {POSITIVE: Tally(hits=44, n=50), NEGATIVE: Tally(hits=44, n=50)})
    }
    alarms = sum(bool(point.broken) for point in control_chart(rounds, baseline))
    assert alarms <= 12  # three standard errors each, on three charts


def test_a_round_counts_its_pairs_by_the_side_of_the_experts_answer() -> None:
    made = round_of(
        at=START, version=3, pairs=[(True, POSITIVE), (False, NEGATIVE), (True, NEGATIVE)]
    )
    assert made.total == Tally(hits=2, n=3)
    assert made.by_side == {POSITIVE: Tally(hits=1, n=1), NEGATIVE: Tally(hits=1, n=2)}
    assert made.total.share == pytest.approx(2 / 3)
    assert Tally(hits=0, n=0).share is None


@pytest.mark.parametrize(
    ("before", "now", "is_shift"),
    [
        ({"good": 500, "poor": 500}, {"good": 55, "poor": 45}, False),
        ({"good": 500, "poor": 500}, {"good": 85, "poor": 15}, True),
        ({"good": 900, "poor": 100}, {"good": 50, "poor": 10}, False),
        ({"good": 500, "poor": 500}, {"good": 30, "poor": 20, "fair": 50}, True),
        ({"good": 50_000, "poor": 50_000}, {"good": 51_000, "poor": 49_000}, False),
    ],
)
def test_a_shift_of_the_mix_is_large_and_no_chance(
    before: dict[str, int], now: dict[str, int], is_shift: bool
) -> None:
    found = mix_shift(before, now)
    assert isinstance(found, MixShift)
    assert found.is_shift is is_shift


def test_the_value_that_moved_most_is_named_with_its_shares() -> None:
    found = mix_shift({"good": 50, "fair": 30, "poor": 20}, {"good": 50, "fair": 0, "poor": 50})
    assert found is not None
    assert found.moved == ("fair", 0.3, 0.0)


def test_too_few_verdicts_say_nothing_of_the_mix() -> None:
    assert mix_shift({"good": 49}, {"good": 500}) is None
    assert mix_shift({"good": 500}, {"poor": 49}) is None


def test_equal_mixes_of_any_size_hardly_ever_look_like_a_shift() -> None:
    dice = np.random.default_rng(1)
    shifts = 0
    for _ in range(60):
        draw = "".join(dice.choice(list("abcd"), size=260))
        before = {value: draw[:200].count(value) for value in "abcd"}
        now = {value: draw[200:].count(value) for value in "abcd"}
        found = mix_shift(before, now)
        shifts += found is not None and found.is_shift
    assert shifts <= 2
