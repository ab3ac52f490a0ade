"""Two versions of a judge on the same labelled items: which is better, how surely, what was fixed and broken."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alignment.intervals import (
    Array,
    Figure,
    bootstrap,
    mcnemar_p,
    paired_difference,
    proportion,
    report,
)
from alignment.metric import Metric
from judges.values import Value, value_key

_NOTHING_JUDGED = "No item has a label and a verdict of both versions."


@dataclass(frozen=True, kw_only=True)
class VersionComparison:
    """Two versions of a judge on the same labelled items.

    Attributes:
        n: Items with a label and both verdicts.
        before: Accuracy of the first version.
        after: Accuracy of the second version.
        difference: after - before, with a paired interval.
        p_value: Exact McNemar test that both are equally good.
        worth_before: What the first version's verdicts are worth on average, where verdicts earn parts; else None.
        worth_after: The same of the second version.
        worth_difference: after - before, with an interval by a bootstrap over the pairs.
        worth_counts: What their worth counts beside right and wrong, in plain words.
        fixed: Items that only the second version got right, sorted.
        broken: Items that only the first version got right, sorted.
    """

    n: int
    before: Figure
    after: Figure
    difference: Figure
    p_value: float
    fixed: tuple[str, ...]
    broken: tuple[str, ...]
    worth_before: Figure | None = None
    worth_after: Figure | None = None
    worth_difference: Figure | None = None
    worth_counts: str = ""

    @property
    def deciding(self) -> Figure:
        """The difference that decides: of the worth where verdicts earn parts and it has an interval, else of accuracy."""
        worth = self.worth_difference
        return worth if worth is not None and worth.low is not None else self.difference

    def to_dict(self) -> dict[str, Any]:
        """Bare values by name, and the figures under `details` with interval, n and reason."""
        figures = {"before": self.before, "after": self.after, "difference": self.difference}
        if self.worth_before and self.worth_after and self.worth_difference:
            figures |= {
                "worth_before": self.worth_before,
                "worth_after": self.worth_after,
                "worth_difference": self.worth_difference,
            }
        return {
            "n": self.n,
            **report(figures),
            "p_value": self.p_value,
            "fixed": list(self.fixed),
            "broken": list(self.broken),
        }


def compare_versions(
    labels: Mapping[str, Value],
    before: Mapping[str, Value],
    after: Mapping[str, Value],
    *,
    metric: Metric | None = None,
) -> VersionComparison:
    """Which of two versions agrees more with the labels, on the items that have a label and both verdicts.

    Args:
        labels: item id -> the settled label.
        before: item id -> the first version's verdict.
        after: item id -> the second version's.
        metric: What a verdict is worth; where it knows only right and wrong it adds nothing.
    """
    items = sorted(labels.keys() & before.keys() & after.keys())
    key = {item: value_key(labels[item]) for item in items}
    right_before = {item for item in items if value_key(before[item]) == key[item]}
    right_after = {item for item in items if value_key(after[item]) == key[item]}
    fixed, broken = sorted(right_after - right_before), sorted(right_before - right_after)
    n = len(items)
    worth: dict[str, Figure] = {}
    counts = metric.counts if metric is not None and items else ""
    if metric is not None and counts:
        credits_before = [metric.credit(labels[item], before[item]) for item in items]
        credits_after = [metric.credit(labels[item], after[item]) for item in items]
        gains = [new - old for old, new in zip(credits_before, credits_after, strict=True)]
        worth = {
            "worth_before": mean(credits_before),
            "worth_after": mean(credits_after),
            "worth_difference": mean_change(gains),
        }
    return VersionComparison(
        n=n,
        before=proportion(len(right_before), n, why=_NOTHING_JUDGED),
        after=proportion(len(right_after), n, why=_NOTHING_JUDGED),
        difference=paired_difference(
            both=len(right_before & right_after),
            gained=len(fixed),
            lost=len(broken),
            neither=n - len(right_before | right_after),
        ),
        p_value=mcnemar_p(gained=len(fixed), lost=len(broken)),
        fixed=tuple(fixed),
        broken=tuple(broken),
        worth_counts=counts,
        **worth,
    )


def mean(numbers: Sequence[float]) -> Figure:
    """The mean of numbers, at least one, with a bootstrap interval over them."""
    values, counts = np.unique(np.round(numbers, 9), return_counts=True)

    def statistic(weights: Array) -> Array:
        return np.asarray(weights @ values / weights.sum(axis=1), dtype=np.float64)

    return bootstrap(
        statistic,
        counts,
        low_if_perfect=proportion(len(numbers), len(numbers), why="").low or 0.0,
        why_undefined=_NOTHING_JUDGED,
    )


def mean_change(changes: Sequence[float]) -> Figure:
    """The mean of paired changes, at least one, with a bootstrap interval over the pairs.

    With 20 pairs the largest change is often seen once or never. Half a pair that gains it and half a pair that loses
    it are drawn along, as Agresti and Min (2005, Stat. Med. 24:729) add to paired proportions; they keep the interval
    from missing the truth too often and from having no width when all pairs change alike.
    """
    largest = max(map(abs, changes))
    weights_of = [1.0] * len(changes) + [0.5, 0.5]
    values, of = np.unique(np.round([*changes, largest, -largest], 9), return_inverse=True)
    counts = np.bincount(of, weights=weights_of)

    def statistic(weights: Array) -> Array:
        return np.asarray(weights @ values / weights.sum(axis=1), dtype=np.float64)

    drawn = bootstrap(statistic, counts, low_if_perfect=-1.0, why_undefined=_NOTHING_JUDGED)
    value = round(math.fsum(changes) / len(changes), 9)
    if drawn.low is None or drawn.high is None:
        return Figure(value=value, n=len(changes), why=drawn.why)
    return Figure(
        value=value, low=min(drawn.low, value), high=max(drawn.high, value), n=len(changes)
    )
