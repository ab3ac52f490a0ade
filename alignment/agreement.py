"""Agreement among people.

Nominal, ordinal and interval alpha, Fleiss' and Cohen's kappa, and percent agreement.
Values are compared by `value_key`. Numbers and yes/no have an order of their own; text has one only where `order`
gives it. Where a figure is undefined its `why` says so in a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np

from alignment.coding import (
    Patterns,
    cohen_kappa,
    encode,
    mean_ranks,
    ratio,
    scores_of,
)
from alignment.intervals import (
    SEED,
    Array,
    Figure,
    bootstrap,
    proportion,
    report,
    undefined,
    wilson,
)
from judges.values import Value

Level = Literal["nominal", "ordinal", "interval"]
Ratings = Mapping[str, Mapping[str, Value]]
Strength = Literal["poor", "slight", "fair", "moderate", "substantial", "almost perfect"]

LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval")

_NOTHING_SHARED = "No item was answered by two people."
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
