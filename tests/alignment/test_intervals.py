"""Intervals of proportions and of paired differences, and the comparison of two versions of a judge."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from statsmodels.stats import contingency_tables
from statsmodels.stats.proportion import proportion_confint

from alignment.intervals import mcnemar_p, mean_of_proportions, paired_difference, wilson
from alignment.metric import Metric
from alignment.versions import compare_versions, mean_change
from judges.values import ValueKind, ValueType

steady = settings(derandomize=True, database=None, deadline=None, max_examples=60)

counts = st.integers(0, 40)


@steady
@given(hits=st.integers(0, 200), misses=st.integers(0, 200))
def test_wilson_is_that_of_statsmodels(hits, misses):
    assume(hits + misses)
    theirs = proportion_confint(hits, hits + misses, method="wilson")
    assert wilson(hits, hits + misses) == pytest.approx(theirs, abs=1e-9)


def test_the_mean_of_proportions_is_as_unsure_as_its_smallest_part():
    even = mean_of_proportions([(20, 20), (20, 20)])
    lopsided = mean_of_proportions([(37, 37), (3, 3)])
    assert even.value == lopsided.value == 1
    assert even.n == lopsided.n == 40
    assert (lopsided.low or 0) < (even.low or 0) < 1


def test_two_versions_are_compared_on_the_items_both_judged():
    labels = {"a": True, "b": True, "c": False, "d": False, "e": True}
    before = {"a": True, "b": False, "c": True, "d": False}
    after = {"a": True, "b": True, "c": False, "d": True, "e": True}
    result = compare_versions(labels, before, after)
    assert (result.n, result.fixed, result.broken) == (4, ("b", "c"), ("d",))
    assert result.before.value == 0.5
    assert result.after.value == 0.75
    assert result.difference.value == 0.25
    assert result.p_value == 1.0
    json.dumps(result.to_dict(), allow_nan=False)


def test_two_versions_without_a_common_item_have_no_difference():
    result = compare_versions({"a": True}, {"b": True}, {"a": True})
    assert result.n == 0
    assert result.difference.value is None
    assert result.difference.why
    assert result.p_value == 1.0


@steady
@given(gained=st.integers(0, 300), lost=st.integers(0, 300))
def test_mcnemar_is_that_of_statsmodels(gained, lost):
    theirs = contingency_tables.mcnemar([[0, gained], [lost, 0]], exact=True).pvalue
    assert mcnemar_p(gained=gained, lost=lost) == pytest.approx(min(theirs, 1.0), abs=1e-9)


@pytest.mark.parametrize(
    ("both", "lost", "gained", "neither", "low", "high"),
    [
        # airway hyper-responsiveness and complete response, as Fagerland et al. give them
        (1, 1, 7, 12, 0.026, 0.507),
        (59, 6, 16, 80, 0.0046, 0.1186),
    ],
)
def test_the_paired_interval_is_the_published_one(both, lost, gained, neither, low, high):
    figure = paired_difference(both=both, lost=lost, gained=gained, neither=neither)
    assert figure.value == (gained - lost) / (both + lost + gained + neither)
    assert figure.low == pytest.approx(low, abs=5e-4)
    assert figure.high == pytest.approx(high, abs=5e-4)


@steady
@given(both=counts, lost=counts, gained=counts, neither=counts)
def test_the_paired_interval_has_width_and_turns_round_with_the_versions(
    both, lost, gained, neither
):
    assume(both + lost + gained + neither)
    figure = paired_difference(both=both, lost=lost, gained=gained, neither=neither)
    swapped = paired_difference(both=both, lost=gained, gained=lost, neither=neither)
    assert figure.low is not None
    assert figure.high is not None
    assert figure.value is not None
    assert -1 <= figure.low <= figure.value <= figure.high <= 1
    assert figure.low < figure.high
    assert figure.low == pytest.approx(-(swapped.high or 0), abs=1e-12)


@pytest.mark.parametrize("n", [20, 30, 40])
def test_changes_that_all_go_one_way_are_not_taken_for_certain(n):
    few = paired_difference(both=n - 2, lost=0, gained=2, neither=0)
    many = paired_difference(both=n // 2, lost=0, gained=n // 2, neither=0)
    assert few.low is not None
    assert few.low < 0 < (few.high or 0)
    assert many.low is not None
    assert 0.2 < many.low < 0.5 < (many.high or 0) < 0.75


# --- The paired difference of what verdicts on a scale are worth

FOUR_GRADES = ValueType(kind=ValueKind.CATEGORY, categories=("a", "b", "c", "d"), ordered=True)
METRIC = Metric(value_type=FOUR_GRADES)


def drawn_changes(
    accuracy: tuple[float, float],
    near: float,
    corr: float,
    *,
    n: int,
    dice: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Changes of credit on n items: each version is right so often, else off by one grade or by more."""
    same = dice.random(n)
    credit = []
    for right in accuracy:
        luck = np.where(dice.random(n) < corr, same, dice.random(n))
        off = np.where(luck < right, 0, np.where(luck < right + (1 - right) * near, 1, 2))
        credit.append([METRIC.credit("a", FOUR_GRADES.categories[each]) for each in off])
    before, after = np.array(credit)
    return np.asarray(after - before, dtype=np.float64)


@pytest.mark.parametrize("n", [15, 20, 30, 40])
@pytest.mark.parametrize(
    ("accuracy", "near", "corr"),
    [
        ((0.5, 0.7), 0.5, 0.0),
        ((0.5, 0.9), 0.8, 0.6),
        ((0.7, 0.8), 0.9, 0.0),
        ((0.3, 0.8), 0.6, 0.4),
    ],
)
def test_the_interval_of_ordered_credit_holds_the_truth_as_often_as_it_says(
    n, accuracy, near, corr
):
    dice = np.random.default_rng(7)
    truth = float(drawn_changes(accuracy, near, corr, n=400_000, dice=dice).mean())
    tries, held, too_high = 250, 0, 0
    for _ in range(tries):
        figure = mean_change(drawn_changes(accuracy, near, corr, n=n, dice=dice).tolist())
        assert figure.low is not None
        assert figure.high is not None
        held += figure.low <= truth <= figure.high
        too_high += figure.low > truth
    assert held / tries >= 0.93
    assert too_high / tries <= 0.04  # what would promote wrongly


def test_changes_that_are_all_alike_are_not_taken_for_certain():
    figure = mean_change([1 / 3] * 20)
    assert figure.value == pytest.approx(1 / 3)
    assert figure.low is not None
    assert 0 < figure.low < 0.3
    nothing = mean_change([0.0] * 20)
    assert (nothing.value, nothing.low) == (0, None)
    assert nothing.why
