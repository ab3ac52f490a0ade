"""Two versions of a judge on the same labelled items: which is better, how surely, what was fixed and broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alignment.intervals import Figure, mcnemar_p, paired_difference, proportion, report
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

    def to_dict(self) -> dict[str, Any]:
        """Bare values by name, and the figures under `details` with interval, n and reason."""
        figures = {"before": self.before, "after": self.after, "difference": self.difference}
        return {
            "n": self.n,
            **report(figures),
            "p_value": self.p_value,
            "fixed": list(self.fixed),
            "broken": list(self.broken),
        }


def compare_versions(
    labels: Mapping[str, Value], before: Mapping[str, Value], after: Mapping[str, Value]
) -> VersionComparison:
    """Which of two versions agrees more with the labels, on the items that have a label and both verdicts."""
    items = sorted(labels.keys() & before.keys() & after.keys())
    key = {item: value_key(labels[item]) for item in items}
    right_before = {item for item in items if value_key(before[item]) == key[item]}
    right_after = {item for item in items if value_key(after[item]) == key[item]}
    fixed, broken = sorted(right_after - right_before), sorted(right_before - right_after)
    n = len(items)
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
    )
