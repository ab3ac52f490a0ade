"""Agreement among people, and of a judge with the settled labels.

Nominal, ordinal and interval alpha, Fleiss' and Cohen's kappa, percent agreement, and what a confusion matrix tells.
Values are compared by `value_key`. Numbers and yes/no have an order of their own; text has one only where `order`
gives it. Where a figure is undefined its `why` says so in a sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from alignment.coding import (
    Codes,
    Patterns,
    cohen_kappa,
    encode,
    low_if_perfect,
    mean_ranks,
    ratio,
    scores_of,
    values_of,
)
from alignment.intervals import (
    SEED,
    Array,
    Figure,
    bootstrap,
    mean_of_proportions,
    proportion,
    report,
    undefined,
    wilson,
)
from alignment.sides import Side
from alignment.versions import VersionComparison as VersionComparison
from alignment.versions import compare_versions as compare_versions
from judges.values import Value, value_key

Level = Literal["nominal", "ordinal", "interval"]
Ratings = Mapping[str, Mapping[str, Value]]
Strength = Literal["poor", "slight", "fair", "moderate", "substantial", "almost perfect"]

LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval")
MOST_CONFUSION_VALUES = 50

_NOTHING_SHARED = "No item was answered by two people."
_NOTHING_JUDGED = "No item has both a label and a verdict."
_NO_ORDER = "Not every value has a place in a declared order, so this figure is undefined."


def strength_of(kappa: float) -> Strength:
    """The word of Landis and Koch (1977, Biometrics 33:159) for a kappa or an alpha."""
    if kappa < 0:
        return "poor"
    words: dict[float, Strength] = {0.2: "slight", 0.4: "fair", 0.6: "moderate", 0.8: "substantial"}
    return next((word for top, word in words.items() if kappa <= top), "almost perfect")


# --- Among people


@dataclass(frozen=True, kw_only=True)
class HumanAgreement:
    """How far people agree with each other about the same items.

    Attributes:
        n: Items that at least two people answered.
        krippendorff_alpha: By level: nominal, ordinal, interval.
        fleiss_kappa: Over the items with the full number of answers.
        pairwise_cohen_kappa: By "a|b", names sorted, for every two people who share an item.
        percent_agreement: The mean over those pairs of the share of their common items on which they agree.
    """

    n: int
    krippendorff_alpha: dict[Level, Figure]
    fleiss_kappa: Figure
    pairwise_cohen_kappa: dict[str, Figure]
    percent_agreement: Figure

    def to_dict(self) -> dict[str, Any]:
        """Bare values by name, and the same names under `details` with interval, n and reason."""
        figures = {
            "krippendorff_alpha": self.krippendorff_alpha,
            "fleiss_kappa": self.fleiss_kappa,
            "pairwise_cohen_kappa": self.pairwise_cohen_kappa,
            "percent_agreement": self.percent_agreement,
        }
        return {"n": self.n, **report(figures)}


def among_people(
    ratings: Ratings, *, order: Sequence[Value] | None = None, seed: int = SEED
) -> HumanAgreement:
    """All figures of agreement among people.

    Args:
        ratings: item id -> person -> value; people may have answered different items.
        order: The values from lowest to highest, where their order means something.
        seed: Same seed, same intervals.
    """
    return HumanAgreement(
        n=sum(len(answers) > 1 for answers in ratings.values()),
        krippendorff_alpha={
            level: krippendorff_alpha(ratings, level, order=order, seed=seed) for level in LEVELS
        },
        fleiss_kappa=fleiss_kappa(ratings, seed=seed),
        pairwise_cohen_kappa=pairwise_cohen_kappa(ratings, seed=seed),
        percent_agreement=percent_agreement(ratings, seed=seed),
    )


def krippendorff_alpha(
    ratings: Ratings,
    level: Level = "nominal",
    *,
    order: Sequence[Value] | None = None,
    seed: int = SEED,
) -> Figure:
    """Krippendorff's alpha (2004, Content Analysis, ch. 11) over the items with at least two answers.

    The interval level takes numbers as they are and the ranks of other values. On the ordinal level the distance of two
    values is that of their mean ranks among all answers, so both levels are one formula.
    """
    patterns = Patterns.of(ratings.values(), order)
    if patterns is None:
        return undefined(_NOTHING_SHARED)
    rows, sizes = patterns.rows, patterns.sizes

    def nominal(weights: Array) -> Array:
        total, uses = weights @ sizes, patterns.uses(weights)
        observed = weights @ ((sizes**2 - patterns.alike) / (sizes - 1))
        return 1 - ratio((total - 1) * observed, total**2 - (uses**2).sum(axis=1))

    if level == "nominal":
        return patterns.figure(nominal, seed=seed)
    scores = scores_of(patterns.values, order)
    if scores is None:
        return undefined(_NO_ORDER, n=int(patterns.counts.sum()))

    def by_score(weights: Array) -> Array:
        total, uses = weights @ sizes, patterns.uses(weights)
        ranks = np.broadcast_to(scores, uses.shape) if level == "interval" else mean_ranks(uses)
        answers = np.where(rows >= 0, ranks[:, rows], 0.0)
        spread = sizes * (answers**2).sum(axis=2) - answers.sum(axis=2) ** 2
        observed = (weights * spread / (sizes - 1)).sum(axis=1)
        squares = total * (uses * ranks**2).sum(axis=1)
        expected = squares - (uses * ranks).sum(axis=1) ** 2
        return 1 - ratio((total - 1) * observed, expected, minuend=squares)

    return patterns.figure(by_score, seed=seed)


def fleiss_kappa(ratings: Ratings, *, seed: int = SEED) -> Figure:
    """Fleiss' kappa (1971, Psychol. Bull. 76:378) over the items with as many answers as any item has.

    The people may differ from item to item; Krippendorff's alpha also uses the items with fewer answers.
    """
    most = max((len(answers) for answers in ratings.values()), default=0)
    patterns = Patterns.of(answers for answers in ratings.values() if len(answers) == most)
    if patterns is None:
        return undefined(_NOTHING_SHARED)

    def statistic(weights: Array) -> Array:
        answers = weights.sum(axis=1) * most
        observed = weights @ ((most**2 - patterns.alike) / (most - 1))
        expected = answers**2 - (patterns.uses(weights) ** 2).sum(axis=1)
        return 1 - ratio(answers * observed, expected)

    return patterns.figure(statistic, seed=seed)


def pairwise_cohen_kappa(ratings: Ratings, *, seed: int = SEED) -> dict[str, Figure]:
    """Cohen's kappa of every two people over the items both answered, by "a|b" with sorted names."""
    people, codes, _ = encode(ratings.values())
    kappas = {}
    for first, second in combinations(range(len(people)), 2):
        pair = codes[:, [first, second]]
        pair = pair[(pair >= 0).all(axis=1)]
        if len(pair):
            kappas[f"{people[first]}|{people[second]}"] = cohen_kappa(pair, seed=seed)
    return kappas


def percent_agreement(ratings: Ratings, *, seed: int = SEED) -> Figure:
    """The mean over pairs of people of the share of their common items on which they agree; 0 to 1."""
    people, codes, _ = encode(answers for answers in ratings.values() if len(answers) > 1)
    if not len(codes):
        return undefined(_NOTHING_SHARED)
    outcomes = [
        np.where(np.minimum(codes[:, a], codes[:, b]) < 0, -1, codes[:, a] == codes[:, b])
        for a, b in combinations(range(len(people)), 2)
    ]
    outcomes = [outcome for outcome in outcomes if (outcome >= 0).any()]
    if len(outcomes) == 1:
        return proportion(int((outcomes[0] > 0).sum()), len(codes), why=_NOTHING_SHARED)
    patterns, counts = np.unique(np.stack(outcomes, axis=1), axis=0, return_counts=True)
    agree, shared = (patterns > 0) * 1.0, (patterns >= 0) * 1.0

    def statistic(weights: Array) -> Array:
        common = weights @ shared
        shares = np.divide(weights @ agree, common, out=np.zeros_like(common), where=common > 0)
        return np.asarray(shares.sum(axis=1) / (common > 0).sum(axis=1), dtype=np.float64)

    return bootstrap(
        statistic,
        counts,
        low_if_perfect=wilson(len(codes), len(codes))[0],
        why_undefined=_NOTHING_SHARED,
        seed=seed,
        cells=max(len(counts), len(outcomes)),
    )


# --- A judge against the labels


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """How often each label met each verdict; `matrix[i][j]` counts label `values[i]` with verdict `values[j]`."""

    values: tuple[Value, ...]
    matrix: tuple[tuple[int, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """`labels` and `matrix`, rows people, columns the judge."""
        return {"labels": list(self.values), "matrix": [list(row) for row in self.matrix]}


@dataclass(frozen=True, kw_only=True)
class JudgeAgreement:
    """How far a judge agrees with the labels; `figures` has only those that make sense for its values.

    Attributes:
        n: Items with a label and a verdict.
        accuracy: Share of verdicts equal to the label.
        balanced_accuracy: Mean over the labels' values of the share of them that the judge found.
        cohen_kappa: Cohen's kappa (1960).
        confusion: None where there are more than `MOST_CONFUSION_VALUES` different values.
        figures: `weighted_kappa` (quadratic) for ordered values; `precision`, `recall`, `f1`, `phi` of True for yes/no.
        errors: Where sides are known: `false_positive_rate`, the share of negative labels with a positive verdict, and
            `false_negative_rate`, the share of positive labels with a negative verdict.
        side_recall: Where sides are known, by side: the share of its labels whose verdict is on the same side.
    """

    n: int
    accuracy: Figure
    balanced_accuracy: Figure
    cohen_kappa: Figure
    confusion: Confusion | None
    figures: dict[str, Figure] = field(default_factory=dict)
    errors: dict[str, Figure] = field(default_factory=dict)
    side_recall: dict[str, Figure] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Bare values by name, and the same names under `details` with interval, n and reason."""
        figures: dict[str, Any] = {
            "accuracy": self.accuracy,
            "balanced_accuracy": self.balanced_accuracy,
            "cohen_kappa": self.cohen_kappa,
            **self.figures,
            **self.errors,
        }
        if self.side_recall:
            figures["side_recall"] = self.side_recall
        confusion = self.confusion.to_dict() if self.confusion else None
        return {"n": self.n, **report(figures), "confusion": confusion}


def compare(
    labels: Mapping[str, Value],
    verdicts: Mapping[str, Value],
    order: Sequence[Value] | None = None,
    *,
    ordered: bool = False,
    side_of: Callable[[Value], Side] | None = None,
    seed: int = SEED,
) -> JudgeAgreement:
    """How far the verdicts agree with the labels, over the items that have both.

    Args:
        labels: item id -> the settled label.
        verdicts: item id -> the judge's verdict.
        order: The declared values, as the confusion matrix lists them; others that occur follow.
        ordered: Whether `order` runs from lowest to highest.
        side_of: The side of a value, for both kinds of error.
        seed: Same seed, same intervals.
    """
    both = [(labels[item], verdicts[item]) for item in labels if item in verdicts]
    values, code_of = values_of((value for pair in both for value in pair), order)
    codes = [[code_of[value_key(label)], code_of[value_key(verdict)]] for label, verdict in both]
    pairs = np.array(codes, dtype=np.int64).reshape(-1, 2)
    n, size = len(pairs), len(values)
    found = pairs[pairs[:, 0] == pairs[:, 1], 0]
    confusion = None
    if size <= MOST_CONFUSION_VALUES:
        cells = np.bincount(pairs[:, 0] * size + pairs[:, 1], minlength=size**2)
        matrix = tuple(tuple(row) for row in cells.reshape(size, size).tolist())
        confusion = Confusion(values=values, matrix=matrix)
    figures = {}
    if values and all(isinstance(value, bool) for value in values):
        figures = _yes_no_figures(pairs == code_of.get("true", -1), seed=seed)
    else:
        scores = scores_of(values, order if ordered else None)
        if scores is not None:
            figures["weighted_kappa"] = cohen_kappa(pairs, scores=scores, seed=seed)
    errors, side_recall = _by_side(values, pairs, side_of) if side_of else ({}, {})
    return JudgeAgreement(
        n=n,
        accuracy=proportion(len(found), n, why=_NOTHING_JUDGED),
        balanced_accuracy=_balanced_accuracy(pairs[:, 0], found),
        cohen_kappa=cohen_kappa(pairs, seed=seed),
        confusion=confusion,
        figures=figures,
        errors=errors,
        side_recall=side_recall,
    )


def _balanced_accuracy(labels: Codes, found: Codes) -> Figure:
    """`labels` are the codes of all labels, (n,); `found` those of the labels that the judge hit."""
    if not len(labels):
        return undefined(_NOTHING_JUDGED)
    counts = np.bincount(labels)
    hits = np.bincount(found, minlength=len(counts))
    parts = [(int(hits[code]), int(counts[code])) for code in np.flatnonzero(counts)]
    if len(parts) == 1:
        why = "All labels have the same value, so there is nothing to balance."
        return undefined(why, n=len(labels))
    return mean_of_proportions(parts)


def _yes_no_figures(is_yes: npt.NDArray[np.bool_], *, seed: int) -> dict[str, Figure]:
    """Precision, recall, F1 and phi of yes; `is_yes` is (n, 2): label, verdict."""
    hits = int(is_yes.all(axis=1).sum())
    labelled, judged = (int(count) for count in is_yes.sum(axis=0))
    return {
        "precision": proportion(hits, judged, why="The judge never said yes."),
        "recall": proportion(hits, labelled, why="No label says yes."),
        "f1": _f1(hits, labelled + judged - hits),
        "phi": _phi(is_yes, seed=seed),
    }


def _f1(hits: int, either: int) -> Figure:
    """F1 is 2J / (1 + J), J the hits among the items where label or verdict says yes; so are its limits."""
    share = proportion(hits, either, why="Neither the labels nor the judge ever said yes.")
    if share.value is None or share.low is None or share.high is None:
        return share
    value, low, high = (2 * end / (1 + end) for end in (share.value, share.low, share.high))
    return Figure(value=value, low=low, high=high, n=either)


def _phi(is_yes: npt.NDArray[np.bool_], *, seed: int) -> Figure:
    """The correlation of labels and verdicts, also known as Matthews' coefficient (1975)."""
    if not len(is_yes):
        return undefined(_NOTHING_JUDGED)
    cells, counts = np.unique(is_yes, axis=0, return_counts=True)
    label, verdict = cells.T * 1.0

    def statistic(weights: Array) -> Array:
        n, label_yes, verdict_yes = weights.sum(axis=1), weights @ label, weights @ verdict
        margins = label_yes * (n - label_yes) * verdict_yes * (n - verdict_yes)
        covariance = n * (weights @ (label * verdict)) - label_yes * verdict_yes
        return ratio(covariance, np.sqrt(margins))

    return bootstrap(
        statistic,
        counts,
        low_if_perfect=low_if_perfect(len(is_yes), np.bincount(is_yes.ravel())),
        why_undefined="The labels or the verdicts are all the same, so there is no correlation.",
        seed=seed,
    )


def _by_side(
    values: Sequence[Value], pairs: Codes, side_of: Callable[[Value], Side]
) -> tuple[dict[str, Figure], dict[str, Figure]]:
    """`pairs` are codes of `values`, (n, 2): label, verdict."""
    counts: Counter[tuple[Side, Side]] = Counter()
    cells, sizes = np.unique(pairs, axis=0, return_counts=True)
    for (label, verdict), size in zip(cells.tolist(), sizes.tolist(), strict=True):
        counts[side_of(values[label]), side_of(values[verdict])] += size

    def share(label: Side, verdict: Side) -> Figure:
        return proportion(
            counts[label, verdict],
            sum(counts[label, any_side] for any_side in Side),
            why=f"No label is on the {label.lower()} side.",
        )

    errors = {
        "false_positive_rate": share(Side.NEGATIVE, Side.POSITIVE),
        "false_negative_rate": share(Side.POSITIVE, Side.NEGATIVE),
    }
    recall_sides = (Side.POSITIVE, Side.NEGATIVE, Side.NEUTRAL)
    return errors, {side.value: share(side, side) for side in recall_sides}
