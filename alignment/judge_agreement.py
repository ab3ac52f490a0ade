"""Agreement of a judge with the settled labels: accuracy, kappas, both kinds of error, and the confusion matrix.

Values are compared by `value_key`. Where a figure is undefined its `why` says so in a sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from alignment.coding import (
    Codes,
    cohen_kappa,
    low_if_perfect,
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
)
from alignment.sides import Side
from judges.values import Value, value_key

MOST_CONFUSION_VALUES = 50

_NOTHING_JUDGED = "No item has both a label and a verdict."


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
