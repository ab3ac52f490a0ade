"""Agreement figures equal those of krippendorff, statsmodels and scikit-learn, and say why where there is none."""

from __future__ import annotations

import json
from itertools import combinations
from statistics import fmean

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics
from statsmodels.stats import inter_rater

from alignment.agreement import (
    among_people,
    fleiss_kappa,
    krippendorff_alpha,
    pairwise_cohen_kappa,
    percent_agreement,
    strength_of,
)
from alignment.intervals import Figure
from alignment.judge_agreement import compare
from alignment.sides import Side, Sides

steady = settings(derandomize=True, database=None, deadline=None, max_examples=60)

GRADES = ("poor", "fair", "good", "excellent")
PEOPLE = ("ann", "bob", "cyd", "dan")
ONE_VALUE = "Only one value was used, so agreement by chance is 1 and this figure is undefined."

numbers = st.one_of(st.integers(1, 5), st.sampled_from([0.5, 1.25, 2.75, 4.0]))
grades = st.sampled_from(GRADES)
some_values = st.one_of(st.just(st.booleans()), st.just(numbers), st.just(grades))


@st.composite
def sparse_ratings(draw, values=numbers):
    """Up to 25 items, each answered by any of four people, from nobody to all of them."""
    answers = st.dictionaries(st.sampled_from(PEOPLE), values)
    items = draw(st.lists(answers, max_size=25))
    return {f"item {number}": given for number, given in enumerate(items)}


@st.composite
def full_ratings(draw, values=grades):
    """Two to four answers an item, the same number for all, by people who may differ."""
    size = draw(st.integers(2, 4))
    who = st.permutations(PEOPLE).map(lambda people: people[:size])
    items = draw(st.lists(st.tuples(who, st.tuples(*[values] * size)), min_size=1, max_size=25))
    return {
        f"item {number}": dict(zip(people, given, strict=True))
        for number, (people, given) in enumerate(items)
    }


@st.composite
def judged(draw, values):
    """Labels and verdicts of the same items."""
    pairs = draw(st.lists(st.tuples(values, values), min_size=1, max_size=40))
    labels = {str(number): label for number, (label, _) in enumerate(pairs)}
    return labels, {str(number): verdict for number, (_, verdict) in enumerate(pairs)}


def is_sound(figure: Figure) -> bool:
    """A value lies inside its interval, and whatever is missing has a reason."""
    if figure.value is None:
        return figure.low is None and figure.high is None and bool(figure.why)
    if figure.low is None or figure.high is None:
        return figure.low is None and figure.high is None and bool(figure.why)
    return -1 <= figure.low <= figure.value <= figure.high and figure.low < figure.high <= 1


def every_figure(result) -> list[Figure]:
    found: list[Figure] = []
    waiting = list(vars(result).values())
    while waiting:
        one = waiting.pop()
        if isinstance(one, Figure):
            found.append(one)
        elif isinstance(one, dict):
            waiting.extend(one.values())
    return found


# --- Among people


@steady
@given(sparse_ratings(), st.sampled_from(["nominal", "ordinal", "interval"]))
def test_alpha_of_sparse_numbers_is_that_of_krippendorff(ratings, level):
    figure = krippendorff_alpha(ratings, level)
    pairable = [list(item.values()) for item in ratings.values() if len(item) > 1]
    assert figure.n == len(pairable)
    if len({value for item in pairable for value in item}) < 2:
        assert figure.value is None
        assert figure.why == (ONE_VALUE if pairable else "No item was answered by two people.")
        return
    table = [[item.get(who, np.nan) for item in ratings.values()] for who in PEOPLE]
    table = [row for row in table if not np.isnan(row).all()]
    theirs = krippendorff.alpha(reliability_data=table, level_of_measurement=level)
    assert figure.value == pytest.approx(theirs, abs=1e-9)


@steady
@given(sparse_ratings(grades), st.sampled_from(["nominal", "ordinal", "interval"]))
def test_alpha_of_ordered_categories_is_that_of_their_ranks(ratings, level):
    ranks = {
        item: {who: GRADES.index(value) for who, value in given.items()}
        for item, given in ratings.items()
    }
    by_word = krippendorff_alpha(ratings, level, order=GRADES)
    by_rank = krippendorff_alpha(ranks, level)
    assert by_word.value == pytest.approx(by_rank.value, abs=1e-9)


@steady
@given(full_ratings())
def test_fleiss_kappa_of_changing_people_is_that_of_statsmodels(ratings):
    figure = fleiss_kappa(ratings)
    answers = [list(item.values()) for item in ratings.values()]
    assert figure.n == len(answers)
    if len({value for item in answers for value in item}) == 1:
        assert figure == Figure(value=None, n=len(answers), why=ONE_VALUE)
        return
    table, _ = inter_rater.aggregate_raters(
        np.array([[GRADES.index(value) for value in item] for item in answers])
    )
    assert figure.value == pytest.approx(inter_rater.fleiss_kappa(table), abs=1e-9)


def test_fleiss_kappa_leaves_out_items_with_fewer_answers():
    full = {"1": {"a": True, "b": True, "c": False}, "2": {"a": False, "b": False, "c": False}}
    short = {"3": {"a": True, "b": False}, "4": {"c": True}}
    assert fleiss_kappa(full | short) == fleiss_kappa(full)
    assert fleiss_kappa(full).n == 2


@steady
@given(sparse_ratings(grades))
def test_pairs_of_people_have_the_kappa_of_scikit_learn_over_their_common_items(ratings):
    ours = pairwise_cohen_kappa(ratings)
    shares = []
    for first, second in combinations(PEOPLE, 2):
        common = [item for item in ratings.values() if first in item and second in item]
        if not common:
            assert f"{first}|{second}" not in ours
            continue
        one, other = [item[first] for item in common], [item[second] for item in common]
        figure = ours[f"{first}|{second}"]
        shares.append(metrics.accuracy_score(one, other))
        assert figure.n == len(common)
        if len({*one, *other}) == 1:
            assert figure.why == ONE_VALUE
        else:
            assert figure.value == pytest.approx(metrics.cohen_kappa_score(one, other), abs=1e-9)
    mean = pytest.approx(fmean(shares), abs=1e-9) if shares else None
    assert percent_agreement(ratings).value == mean


@steady
@given(some_values.flatmap(sparse_ratings))
def test_every_figure_among_people_is_sound_and_the_order_of_answers_does_not_matter(ratings):
    result = among_people(ratings, order=GRADES)
    assert all(is_sound(figure) for figure in every_figure(result))
    shuffled = {
        item: dict(reversed(answers.items())) for item, answers in reversed(ratings.items())
    }
    assert among_people(shuffled, order=GRADES).to_dict() == result.to_dict()
    json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    "ratings",
    [
        {},
        {"1": {}},
        {"1": {"ann": True}, "2": {"ann": False}},
        {"1": {"ann": "good"}, "2": {"bob": "good"}},
    ],
    ids=["no items", "no answers", "one person", "nothing in common"],
)
def test_without_a_common_item_there_is_no_figure_and_a_reason(ratings):
    result = among_people(ratings)
    assert result.n == 0
    assert result.pairwise_cohen_kappa == {}
    figures = every_figure(result)
    assert len(figures) == 5
    assert {figure.why for figure in figures} == {"No item was answered by two people."}


def test_words_without_an_order_have_only_a_nominal_alpha():
    ratings = {"1": {"a": "red", "b": "red"}, "2": {"a": "blue", "b": "red"}}
    result = among_people(ratings).krippendorff_alpha
    assert result["nominal"].value is not None
    for level in ("ordinal", "interval"):
        assert result[level].value is None
        assert "declared order" in result[level].why
    mixed = krippendorff_alpha(ratings, "ordinal", order=["red", "green"])
    assert "declared order" in mixed.why


def test_four_is_four_point_zero_and_true_is_not_one():
    assert percent_agreement({"1": {"a": 4, "b": 4.0}}).value == 1
    assert percent_agreement({"1": {"a": True, "b": 1}}).value == 0


def test_full_agreement_of_few_people_still_leaves_room_for_doubt():
    ratings = {str(item): {"a": item % 2, "b": item % 2} for item in range(10)}
    result = among_people(ratings)
    for figure in every_figure(result):
        assert figure.value == 1
        assert figure.low is not None
        assert 0 < figure.low < 0.8
    larger = among_people({str(item): {"a": item % 2, "b": item % 2} for item in range(1000)})
    assert all((figure.low or 0) > 0.98 for figure in every_figure(larger))


def test_numbers_too_large_to_square_have_no_interval_alpha():
    ratings = {"1": {"a": 1e200, "b": 1.0}, "2": {"a": float("inf"), "b": 2.0}}
    result = among_people(ratings)
    assert result.krippendorff_alpha["interval"].value is None
    assert result.krippendorff_alpha["nominal"].value is not None


# --- A judge against labels


@steady
@given(some_values.flatmap(judged))
def test_a_judges_figures_are_those_of_scikit_learn(labels_and_verdicts):
    labels, verdicts = labels_and_verdicts
    truth, found = list(labels.values()), list(verdicts.values())
    result = compare(labels, verdicts)
    used = {*truth, *found}
    assert result.n == len(truth)
    assert result.accuracy.value == pytest.approx(
        fmean(a == b for a, b in zip(truth, found, strict=True))
    )
    assert result.confusion is not None
    values = list(result.confusion.values)
    assert set(values) == used
    one, other = [values.index(value) for value in truth], [values.index(value) for value in found]
    if len(used) == 1:
        assert result.confusion.matrix == ((len(truth),),)
        assert result.cohen_kappa == Figure(value=None, n=len(truth), why=ONE_VALUE)
    else:
        expected = metrics.confusion_matrix(one, other, labels=range(len(values)))
        assert result.to_dict()["confusion"]["matrix"] == expected.tolist()
        theirs = metrics.cohen_kappa_score(one, other)
        assert result.cohen_kappa.value == pytest.approx(theirs, abs=1e-9)
    if len(set(truth)) == 1:
        assert "nothing to balance" in result.balanced_accuracy.why
    else:
        recalls = metrics.recall_score(one, other, labels=sorted(set(one)), average=None)
        assert result.balanced_accuracy.value == pytest.approx(fmean(recalls), abs=1e-9)


@steady
@given(judged(st.booleans()))
def test_yes_no_figures_are_those_of_scikit_learn(labels_and_verdicts):
    labels, verdicts = labels_and_verdicts
    truth, found = list(labels.values()), list(verdicts.values())
    figures = compare(labels, verdicts).figures
    assert set(figures) == {"precision", "recall", "f1", "phi"}
    defined = {
        "precision": any(found),
        "recall": any(truth),
        "f1": any(truth) or any(found),
        "phi": len(set(truth)) == len(set(found)) == 2,
    }
    theirs = {
        "precision": lambda: metrics.precision_score(truth, found),
        "recall": lambda: metrics.recall_score(truth, found),
        "f1": lambda: metrics.f1_score(truth, found),
        "phi": lambda: metrics.matthews_corrcoef(truth, found),
    }
    for name, figure in figures.items():
        assert figure.value == (pytest.approx(theirs[name](), abs=1e-9) if defined[name] else None)


@steady
@given(judged(grades))
def test_weighted_kappa_of_ordered_categories_is_that_of_scikit_learn(labels_and_verdicts):
    labels, verdicts = labels_and_verdicts
    figure = compare(labels, verdicts, GRADES, ordered=True).figures["weighted_kappa"]
    one = [GRADES.index(value) for value in labels.values()]
    other = [GRADES.index(value) for value in verdicts.values()]
    assume(len({*one, *other}) > 1)
    theirs = metrics.cohen_kappa_score(one, other, labels=range(4), weights="quadratic")
    assert figure.value == pytest.approx(theirs, abs=1e-9)


@steady
@given(some_values.flatmap(judged))
def test_every_figure_of_a_judge_is_sound_and_repeatable(labels_and_verdicts):
    labels, verdicts = labels_and_verdicts
    sides = Sides(
        by_value={"true": Side.POSITIVE, "false": Side.NEGATIVE, "good": Side.POSITIVE},
        positive_from=4,
        negative_to=2,
    )
    result = compare(labels, verdicts, ordered=True, side_of=sides.side_of)
    assert all(is_sound(figure) for figure in every_figure(result))
    backwards = dict(reversed(labels.items()))
    again = compare(backwards, verdicts, ordered=True, side_of=sides.side_of)
    assert again.to_dict() == result.to_dict()
    json.dumps(result.to_dict(), allow_nan=False)


def test_only_items_with_a_label_and_a_verdict_count():
    labels = {"1": True, "2": False, "3": True}
    result = compare(labels, {"1": True, "2": True, "9": False})
    assert result.n == 2
    assert result.accuracy.value == 0.5


def test_the_confusion_matrix_lists_declared_values_in_their_order_and_others_after():
    labels = {"1": "good", "2": "poor"}
    result = compare(labels, {"1": "good", "2": "awful"}, ["poor", "fair", "good"])
    assert result.to_dict()["confusion"] == {
        "labels": ["poor", "fair", "good", "awful"],
        "matrix": [[0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]],
    }


def test_free_text_has_no_confusion_matrix():
    labels = {str(number): f"text {number}" for number in range(60)}
    result = compare(labels, labels)
    assert result.confusion is None
    assert result.cohen_kappa.value == 1


def test_without_a_common_item_every_figure_of_a_judge_says_why():
    result = compare({"1": True}, {"2": True}, [False, True], side_of=lambda value: Side.NEUTRAL)
    figures = every_figure(result)
    assert result.n == 0
    assert len(figures) == 12
    assert all(figure.value is None and figure.why for figure in figures)
    assert result.to_dict()["confusion"] == {"labels": [False, True], "matrix": [[0, 0], [0, 0]]}
    assert compare({}, {}).to_dict()["accuracy"] is None


def test_both_kinds_of_error_count_sides_and_not_values():
    sides = Sides(
        by_value={
            "excellent": Side.POSITIVE,
            "good": Side.POSITIVE,
            "fair": Side.NEUTRAL,
            "poor": Side.NEGATIVE,
        }
    )
    pairs = [("excellent", "good"), ("good", "poor"), ("poor", "good"), ("poor", "poor")]
    pairs += [("poor", "fair"), ("poor", "poor")]
    labels = {str(number): label for number, (label, _) in enumerate(pairs)}
    verdicts = {str(number): verdict for number, (_, verdict) in enumerate(pairs)}
    result = compare(labels, verdicts, GRADES, side_of=sides.side_of)
    assert result.errors["false_positive_rate"].value == 1 / 4
    assert result.errors["false_negative_rate"].value == 1 / 2
    assert result.side_recall["POSITIVE"].value == 1 / 2
    assert result.side_recall["NEGATIVE"].value == 1 / 2
    assert result.side_recall["NEUTRAL"].why == "No label is on the neutral side."
    printed = result.to_dict()
    assert printed["false_positive_rate"] == 1 / 4
    assert printed["details"]["false_positive_rate"]["n"] == 4


def test_another_seed_moves_the_interval_but_not_the_value():
    labels = {str(number): number % 2 == 0 for number in range(30)}
    verdicts = {str(number): number % 3 == 0 for number in range(30)}
    first, second = (compare(labels, verdicts, seed=seed).cohen_kappa for seed in (1, 2))
    assert first.value == second.value
    assert (first.low, first.high) != (second.low, second.high)


def test_a_bootstrap_over_patterns_is_one_over_items():
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 2, size=200)
    found = np.where(rng.random(200) < 0.8, truth, 1 - truth)
    labels = {str(number): bool(value) for number, value in enumerate(truth)}
    verdicts = {str(number): bool(value) for number, value in enumerate(found)}
    ours = compare(labels, verdicts).cohen_kappa
    draws = rng.integers(0, 200, size=(2000, 200))
    kappas = []
    for one, other in zip(truth[draws], found[draws], strict=True):
        by_chance = one.mean() * other.mean() + (1 - one.mean()) * (1 - other.mean())
        kappas.append(1 - (one != other).mean() / (1 - by_chance))
    low, high = np.quantile(kappas, [0.025, 0.975])
    assert ours.low == pytest.approx(low, abs=0.03)
    assert ours.high == pytest.approx(high, abs=0.03)


@pytest.mark.parametrize(
    ("kappa", "word"),
    [
        (-0.1, "poor"),
        (0.0, "slight"),
        (0.2, "slight"),
        (0.21, "fair"),
        (0.41, "moderate"),
        (0.71, "substantial"),
        (0.81, "almost perfect"),
        (1.0, "almost perfect"),
    ],
)
def test_kappa_has_a_word(kappa, word):
    assert strength_of(kappa) == word
