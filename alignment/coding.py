"""Answers as arrays of codes, and the coefficients that both kinds of agreement use.

A code is the position of a value among all values that occur; -1 is no answer. Items whose answers look alike are one
pattern with a count, so that figures and their bootstrap cost the same for 100 and 100,000 items.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alignment.intervals import SEED, Array, Figure, Statistic, bootstrap, undefined, wilson
from judges.values import Value, value_key

Codes = npt.NDArray[np.int64]

_LARGEST = 1e150  # its square is still a float
_ONE_VALUE = "Only one value was used, so agreement by chance is 1 and this figure is undefined."


def values_of(
    used: Iterable[Value], order: Sequence[Value] | None = None
) -> tuple[tuple[Value, ...], dict[str, int]]:
    """All values, those of `order` first and the others sorted, and the code of each by `value_key`."""
    declared = {value_key(value): value for value in order or ()}
    others = {value_key(value): value for value in used}
    rest = [others[key] for key in sorted(others.keys() - declared.keys())]
    rest.sort(key=lambda value: (isinstance(value, str), 0 if isinstance(value, str) else value))
    values = (*declared.values(), *rest)
    return values, {value_key(value): code for code, value in enumerate(values)}


def encode(
    items: Iterable[Mapping[str, Value]], order: Sequence[Value] | None = None
) -> tuple[list[str], Codes, tuple[Value, ...]]:
    """The people, sorted; the codes of their answers, (items, people); the values that the codes stand for."""
    answers = list(items)
    people = sorted({person for item in answers for person in item})
    values, code_of = values_of((value for item in answers for value in item.values()), order)
    codes = np.full((len(answers), len(people)), -1, dtype=np.int64)
    column = {person: index for index, person in enumerate(people)}
    for row, item in enumerate(answers):
        for person, value in item.items():
            codes[row, column[person]] = code_of[value_key(value)]
    return people, codes, values


def scores_of(values: Sequence[Value], order: Sequence[Value] | None = None) -> Array | None:
    """A number from 0 to 1 for each value, (values,): itself if it is one, else its rank in `order`; None without."""
    rank = {value_key(value): float(position) for position, value in enumerate(order or ())}
    is_yes_no = bool(values) and all(isinstance(value, bool) for value in values)
    if is_yes_no or all(_is_number(value) for value in values):
        numbers = [float(value) for value in values]
    elif all(value_key(value) in rank for value in values):
        numbers = [rank[value_key(value)] for value in values]
    else:
        return None
    if not numbers:
        return None
    scores: Array = np.array(numbers)
    return np.asarray((scores - scores.min()) / (float(np.ptp(scores)) or 1.0))


def _is_number(value: Value) -> bool:
    return not isinstance(value, (bool, str)) and abs(value) < _LARGEST


@dataclass(frozen=True, kw_only=True)
class Patterns:
    """The items with at least two answers, alike ones together, whoever gave the answers.

    Attributes:
        values: What the codes stand for.
        rows: Codes of the answers, largest first, then -1, (patterns, most answers).
        counts: Items with each pattern, (patterns,).
    """

    values: tuple[Value, ...]
    rows: Codes
    counts: Codes

    @classmethod
    def of(
        cls, items: Iterable[Mapping[str, Value]], order: Sequence[Value] | None = None
    ) -> Patterns | None:
        """The patterns of these items, or None when none has two answers."""
        answers = [item for item in items if len(item) > 1]
        if not answers:
            return None
        used = (value for item in answers for value in item.values())
        # Declared values that nobody used are left out: they take no part in any figure, only space.
        keys = {value_key(value) for value in used}
        declared = [value for value in order or () if value_key(value) in keys]
        _, codes, values = encode(answers, declared)
        most = max(map(len, answers))
        rows = -np.sort(-codes, axis=1)[:, :most]
        rows, counts = np.unique(rows, axis=0, return_counts=True)
        return cls(values=values, rows=rows, counts=counts)

    @property
    def sizes(self) -> Array:
        """Answers of each pattern, (patterns,)."""
        return np.asarray((self.rows >= 0).sum(axis=1), dtype=np.float64)

    @property
    def alike(self) -> Array:
        """Ordered pairs of equal answers in each pattern, each answer with itself included, (patterns,)."""
        alike = self.rows[:, :, np.newaxis] == self.rows[:, np.newaxis, :]
        answered = (self.rows >= 0)[:, :, np.newaxis]
        return np.asarray((alike & answered).sum(axis=(1, 2)), dtype=np.float64)

    def uses(self, weights: Array) -> Array:
        """How often each value was used, (draws, values), for weights (draws, patterns)."""
        owner, column = np.nonzero(self.rows >= 0)
        return _sums_by(self.rows[owner, column], weights[:, owner], len(self.values))

    def figure(self, statistic: Statistic, *, seed: int) -> Figure:
        """The statistic with its interval over items."""
        uses = self.uses(self.counts[np.newaxis].astype(np.float64))[0]
        return bootstrap(
            statistic,
            self.counts,
            low_if_perfect=low_if_perfect(int(self.counts.sum()), uses),
            why_undefined=_ONE_VALUE,
            seed=seed,
            cells=self.rows.size,
        )


def cohen_kappa(pairs: Codes, *, scores: Array | None = None, seed: int = SEED) -> Figure:
    """Cohen's kappa (1960, Educ. Psychol. Meas. 20:37); with scores, quadratic weights (1968, Psychol. Bull. 70:213).

    Args:
        pairs: Codes of the two answers to each item, (items, 2), none missing.
        scores: The number of each code, (values,).
        seed: Same seed, same interval.
    """
    if not len(pairs):
        return undefined("No item was answered by both.")
    cells, counts = np.unique(pairs, axis=0, return_counts=True)
    first, second = cells.T
    size = int(pairs.max()) + 1

    def nominal(weights: Array) -> Array:
        n = weights.sum(axis=1)
        by_chance = _sums_by(first, weights, size) * _sums_by(second, weights, size)
        return 1 - ratio(n * (weights @ (first != second)), n**2 - by_chance.sum(axis=1))

    def quadratic(weights: Array) -> Array:
        n = weights.sum(axis=1)
        observed = n * (weights @ (one - other) ** 2)
        squares = n * (weights @ (one**2 + other**2))
        expected = squares - 2 * (weights @ one) * (weights @ other)
        return 1 - ratio(observed, expected, minuend=squares)

    if scores is not None:
        one, other = scores[first], scores[second]
    return bootstrap(
        nominal if scores is None else quadratic,
        counts,
        low_if_perfect=low_if_perfect(len(pairs), np.bincount(pairs.ravel())),
        why_undefined=_ONE_VALUE,
        seed=seed,
        cells=max(len(cells), size),
    )


def low_if_perfect(n: int, uses: npt.NDArray[np.generic]) -> float:
    """Lower end for a coefficient of 1 on n items: as many may still disagree as Wilson's limit for n of n leaves open.

    `uses` says how often each value was used; a disagreement counts as much as one between two values drawn by chance.
    """
    by_chance = float((np.asarray(uses, dtype=np.float64) ** 2).sum() / float(uses.sum()) ** 2)
    may_disagree = 1 - wilson(n, n)[0]
    return 1 - may_disagree / (1 - by_chance) if by_chance < 1 else -1.0


def mean_ranks(uses: Array) -> Array:
    """The mean rank of each value's answers among all answers, from the middle, (draws, values) as `uses`."""
    return np.asarray(np.cumsum(uses, axis=1) - uses / 2 - uses.sum(axis=1, keepdims=True) / 2)


def ratio(part: Array, whole: Array, *, minuend: Array | float = 0.0) -> Array:
    """part / whole, and NaN where the whole is 0, or a mere rounding error of the minuend it was made from."""
    solid = whole > 1e-12 * minuend
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=solid)


def _sums_by(codes: Codes, weights: Array, size: int) -> Array:
    """The weights, (draws, n), summed by the code of their column, (n,): (draws, size)."""
    by_code = np.argsort(codes, kind="stable")
    present, starts = np.unique(codes[by_code], return_index=True)
    sums = np.zeros((len(weights), size))
    sums[:, present] = np.add.reduceat(weights[:, by_code], starts, axis=1)
    return sums
