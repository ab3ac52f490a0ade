"""A figure with its interval, and the intervals themselves; 95 % throughout.

Every figure that people see says on how many items it rests, how far it may be off, and, where it is undefined, why.
Reviews decide on 20 to 40 held-out items, so the intervals are chosen to hold there: none of them has zero width only
because everything, by luck, went one way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Statistic = Callable[[Array], Array]

CONFIDENCE = 0.95
RESAMPLES = 1000
SEED = 0

_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
_CELLS_AT_ONCE = 4_000_000
_NO_SPREAD = "There is no interval: these answers are too few or too uniform for one."


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure.

    Attributes:
        value: The estimate, or None where it is undefined.
        low: Lower end of the 95 % interval, or None where there is none.
        high: Upper end of the 95 % interval, or None where there is none.
        n: The number of items the figure rests on.
        why: Why the value or its interval is missing, as a sentence for people; else empty.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The five fields, ready for JSON."""
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "why": self.why,
        }


def undefined(why: str, *, n: int = 0) -> Figure:
    """The figure that does not exist, with the reason."""
    return Figure(value=None, n=n, why=why)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson's score interval of the proportion hits / n, for n >= 1 (Wilson 1927, JASA 22:209)."""
    share = hits / n
    centre = share + _Z**2 / (2 * n)
    reach = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    scale = 1 + _Z**2 / n
    # At 0 and n hits an end equals the estimate; rounding must not put it on the wrong side.
    low = min(max(0.0, (centre - reach) / scale), share)
    high = max(min(1.0, (centre + reach) / scale), share)
    return low, high


def proportion(hits: int, n: int, *, why: str) -> Figure:
    """hits / n with Wilson's interval; `why` is the sentence for n = 0."""
    if n == 0:
        return undefined(why)
    low, high = wilson(hits, n)
    return Figure(value=hits / n, low=low, high=high, n=n)


def mean_of_proportions(parts: Sequence[tuple[int, int]]) -> Figure:
    """The unweighted mean of independent proportions, each (hits, n) with n >= 1.

    The interval combines the distances to the Wilson limits of the parts in quadrature, as a bootstrap would not: three
    out of three right leaves room for error here (Zou and Donner 2008, Stat. Med. 27:1693, "MOVER").
    """
    shares = [hits / n for hits, n in parts]
    limits = [wilson(hits, n) for hits, n in parts]
    mean = math.fsum(shares) / len(parts)
    below = math.hypot(*(share - low for share, (low, _) in zip(shares, limits, strict=True)))
    above = math.hypot(*(high - share for share, (_, high) in zip(shares, limits, strict=True)))
    return Figure(
        value=mean,
        low=max(0.0, mean - below / len(parts)),
        high=min(1.0, mean + above / len(parts)),
        n=sum(n for _, n in parts),
    )


def paired_difference(*, both: int, gained: int, lost: int, neither: int) -> Figure:
    """How much the share of hits changed between two tries at the same items: (gained - lost) / n.

    The interval is Newcombe's method 10, from the Wilson limits of both shares and their correlation with a continuity
    correction. It keeps its width when all changes go one way or none happened, at 20 to 40 items too (Newcombe 1998,
    Stat. Med. 17:2635; recommended by Fagerland, Lydersen and Laake 2014, Stat. Med. 33:2850).

    Args:
        both: Items hit by both tries.
        gained: Items hit by the second try only.
        lost: Items hit by the first try only.
        neither: Items missed by both.
    """
    n = both + gained + lost + neither
    if n == 0:
        return undefined("No item was judged both times.")
    first, second = both + lost, both + gained
    covariance = both * neither - gained * lost
    corrected = max(covariance - n / 2, 0.0) if covariance > 0 else covariance
    margins = first * (n - first) * second * (n - second)
    phi = corrected / math.sqrt(margins) if margins else 0.0
    first_low, first_high = wilson(first, n)
    second_low, second_high = wilson(second, n)
    difference = (gained - lost) / n

    def reach(second_part: float, first_part: float) -> float:
        squares = second_part**2 - 2 * phi * second_part * first_part + first_part**2
        return math.sqrt(max(squares, 0.0))

    return Figure(
        value=difference,
        low=max(-1.0, difference - reach(second / n - second_low, first_high - first / n)),
        high=min(1.0, difference + reach(second_high - second / n, first / n - first_low)),
        n=n,
    )


def difference(first: tuple[int, int], second: tuple[int, int], *, why: str) -> Figure:
    """How much the share of hits in the second group exceeds that in the first; each group is (hits, n).

    The groups are independent; the interval is Newcombe's method 10, from the Wilson limits of both (Newcombe 1998, Stat.
    Med. 17:873). `why` is the sentence for an empty group.
    """
    if not first[1] or not second[1]:
        return undefined(why, n=first[1] + second[1])
    (low_1, high_1), (low_2, high_2) = wilson(*first), wilson(*second)
    share_1, share_2 = first[0] / first[1], second[0] / second[1]
    return Figure(
        value=share_2 - share_1,
        low=max(-1.0, share_2 - share_1 - math.hypot(share_2 - low_2, high_1 - share_1)),
        high=min(1.0, share_2 - share_1 + math.hypot(high_2 - share_2, share_1 - low_1)),
        n=first[1] + second[1],
    )


def mcnemar_p(*, gained: int, lost: int) -> float:
    """Two-sided exact p-value that gains and losses are equally likely; 1 when nothing changed (McNemar 1947)."""
    changed = gained + lost
    tail = sum(math.comb(changed, count) for count in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / (1 << changed))


def bootstrap(
    statistic: Statistic,
    counts: npt.NDArray[np.int64] | Array,
    *,
    low_if_perfect: float,
    why_undefined: str,
    seed: int = SEED,
    cells: int | None = None,
) -> Figure:
    """The statistic of the items, with a bootstrap interval over items (Efron 1981).

    Bare percentiles are too narrow where items are few, so wider ones are taken: as much wider as Student's t with the
    unbiased variance is than the normal distribution (Hesterberg 2015, Am. Stat. 69:371, the “expanded percentile”).

    Items that look alike are one pattern; drawing how often each pattern occurs is the same as drawing items, and its
    cost does not grow with their number.

    Args:
        statistic: Takes weights, (draws, patterns), to values, (draws,); NaN where undefined.
        counts: How many items have each pattern, (patterns,), their sum a whole number and at least 1.
        low_if_perfect: Lower end where the value is 1: no resample of a perfect record shows an error, yet there may be
            some to come.
        why_undefined: The sentence for a statistic that is NaN.
        seed: Same seed, same interval.
        cells: How many numbers the statistic holds for one draw, if more than weights; keeps memory bounded.
    """
    n = int(counts.sum())
    value = float(statistic(counts[np.newaxis].astype(np.float64))[0])
    if math.isnan(value):
        return undefined(why_undefined, n=n)
    if value > 1 - 1e-12:
        return Figure(value=1.0, low=max(low_if_perfect, -1.0), high=1.0, n=n)
    rng = np.random.default_rng(seed)
    at_once = max(1, min(RESAMPLES, _CELLS_AT_ONCE // (cells or len(counts))))
    draws = np.concatenate(
        [
            statistic(
                rng.multinomial(n, counts / n, size=min(at_once, RESAMPLES - start)).astype(
                    np.float64
                )
            )
            for start in range(0, RESAMPLES, at_once)
        ]
    )
    draws = draws[~np.isnan(draws)]
    if len(draws) < RESAMPLES / 2:
        return Figure(value=value, n=n, why=_NO_SPREAD)
    tail = _expanded_tail(n)
    low, high = np.quantile(draws, [tail, 1 - tail])
    if high - low < 1e-9:
        return Figure(value=value, n=n, why=_NO_SPREAD)
    return Figure(value=value, low=min(float(low), value), high=max(float(high), value), n=n)


def _expanded_tail(n: int) -> float:
    """The share of draws beyond either end of the interval, for n items."""
    if n < 2:
        return 0.5 - CONFIDENCE / 2
    z, free = _Z, n - 1
    # Student's t by Peiser's expansion: right to 0.01 from five items on
    t = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    return NormalDist().cdf(-t * math.sqrt(n / free))


def report(figures: Mapping[str, Any]) -> dict[str, Any]:
    """A tree of figures for JSON: the bare values under their names, and the whole figures under `details`."""
    return {
        **_each(figures, lambda figure: figure.value),
        "details": _each(figures, Figure.to_dict),
    }


def _each(figures: Mapping[str, Any], what: Callable[[Figure], Any]) -> dict[str, Any]:
    return {
        name: what(figure) if isinstance(figure, Figure) else _each(figure, what)
        for name, figure in figures.items()
    }
