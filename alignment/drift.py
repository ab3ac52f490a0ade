"""Whether a judge still agrees with the experts: control limits over rounds of checks, and shifts of what it says.

A round is a small random sample of verdicts that experts judge blind. The chart is a p-chart with limits at three
standard errors (Shewhart); limits come from what is known before a round, never from the round itself.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from alignment.intervals import wilson
from alignment.sides import Side

LIMIT = 3.0  # standard errors
LEAST_IN_ROUND = 5  # answered traces; fewer say nothing
LEAST_IN_MIX = 50  # verdicts on either side of the comparison
PSI_SHIFT = 0.1  # below it a shift is called insignificant, whatever the numbers
MIX_LEVEL = 0.01
_SIMULATIONS = 4_000
Counts = npt.NDArray[np.float64]
_PSI_FLOOR = 0.5  # verdicts, for a value that one side does not have


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many of n verdicts the experts share."""

    hits: int
    n: int

    def __add__(self, other: Tally) -> Tally:
        return Tally(hits=self.hits + other.hits, n=self.n + other.n)

    @property
    def share(self) -> float | None:
        """The agreement, 0 to 1; None of nothing."""
        return self.hits / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share."""
        return wilson(self.hits, self.n)


@dataclass(frozen=True, kw_only=True)
class Round:
    """One round of checks on one version of a judge.

    Attributes:
        at: When it ended.
        version: The version's number.
        total: All its verdicts.
        by_side: Those on traces whose label lies on that side.
    """

    at: datetime
    version: int
    total: Tally
    by_side: Mapping[Side, Tally]


@dataclass(frozen=True, kw_only=True)
class ControlPoint:
    """A round on the chart. Limits are None where nothing was known of the version before.

    Attributes:
        round: The round.
        center, low, high: What was to be expected of it, 0 to 1.
        broken: The sides on which it fell below its limit; `None` among them stands for the whole.
    """

    round: Round
    center: float | None
    low: float | None
    high: float | None
    broken: tuple[Side | None, ...]


def control_chart(
    rounds: Sequence[Round], baselines: Mapping[int, tuple[Tally, Mapping[Side, Tally]]]
) -> list[ControlPoint]:
    """The rounds, oldest first, each against what was known of its version before it.

    Args:
        rounds: In order of time; those with fewer than `LEAST_IN_ROUND` answers are left out.
        baselines: Per version what the held-out test of its alignment said: all labels, and by side.
    """
    points = []
    known: dict[int, tuple[Tally, dict[Side, Tally]]] = {
        version: (total, dict(by_side)) for version, (total, by_side) in baselines.items()
    }
    for each in rounds:
        if each.total.n < LEAST_IN_ROUND:
            continue
        total, by_side = known.get(each.version, (Tally(hits=0, n=0), {}))
        center, low, high = _limits(total, each.total.n)
        broken: list[Side | None] = []
        if low is not None and (each.total.share or 0.0) < low:
            broken.append(None)
        for side, tally in each.by_side.items():
            _, side_low, _ = _limits(by_side.get(side, Tally(hits=0, n=0)), tally.n)
            if tally.n >= LEAST_IN_ROUND and side_low is not None and (tally.share or 0) < side_low:
                broken.append(side)
        points.append(
            ControlPoint(round=each, center=center, low=low, high=high, broken=tuple(broken))
        )
        if not broken:  # what is out of control must not widen the limits for what comes after
            merged = dict(by_side)
            for side, tally in each.by_side.items():
                merged[side] = merged.get(side, Tally(hits=0, n=0)) + tally
            known[each.version] = (total + each.total, merged)
    return points


def _limits(known: Tally, n: int) -> tuple[float | None, float | None, float | None]:
    """Center and limits for the share in a sample of n, after `known`; the center pulled in by two made-up answers.

    A version that was never seen to err has no spread of its own; Agresti and Coull's two successes and two failures
    give it one.
    """
    if known.n < LEAST_IN_ROUND or n == 0:
        return None, None, None
    center = (known.hits + 2) / (known.n + 4)
    error = LIMIT * math.sqrt(center * (1 - center) * (1 / n + 1 / (known.n + 4)))
    return center, max(0.0, center - error), min(1.0, center + error)


@dataclass(frozen=True, kw_only=True)
class MixShift:
    """How far the mix of values moved.

    Attributes:
        psi: The population stability index; 0.1 is a small shift, 0.25 a large one.
        p: How often as large an index comes up by chance when nothing changed.
        moved: The value whose share changed most, and its shares before and now, 0 to 1.
    """

    psi: float
    p: float
    moved: tuple[str, float, float]

    @property
    def is_shift(self) -> bool:
        """Whether it is both large enough to matter and no chance."""
        return self.psi >= PSI_SHIFT and self.p < MIX_LEVEL


def mix_shift(before: Mapping[str, int], now: Mapping[str, int]) -> MixShift | None:
    """The shift between two mixes of values, given as counts; None where either has too few.

    The index alone takes small samples for shifts, so its chance is found by drawing both again from their sum.
    """
    if sum(before.values()) < LEAST_IN_MIX or sum(now.values()) < LEAST_IN_MIX:
        return None
    values = sorted({*before, *now})
    old = np.array([before.get(value, 0) for value in values], dtype=float)
    new = np.array([now.get(value, 0) for value in values], dtype=float)
    psi = float(_psi(old[None, :], new[None, :])[0])
    pooled = (old + new) / (old.sum() + new.sum())
    dice = np.random.default_rng(0)
    drawn = _psi(
        dice.multinomial(int(old.sum()), pooled, size=_SIMULATIONS).astype(float),
        dice.multinomial(int(new.sum()), pooled, size=_SIMULATIONS).astype(float),
    )
    shares = list(zip(values, old / old.sum(), new / new.sum(), strict=True))
    value, was, is_now = max(shares, key=lambda row: abs(row[2] - row[1]))
    return MixShift(
        psi=psi,
        p=float((np.sum(drawn >= psi) + 1) / (_SIMULATIONS + 1)),
        moved=(value, float(was), float(is_now)),
    )


def _psi(old: Counts, new: Counts) -> Counts:
    """The index of each row of counts (draws x values)."""
    p = np.maximum(old, _PSI_FLOOR) / np.maximum(old, _PSI_FLOOR).sum(axis=1, keepdims=True)
    q = np.maximum(new, _PSI_FLOOR) / np.maximum(new, _PSI_FLOOR).sum(axis=1, keepdims=True)
    index: Counts = ((q - p) * np.log(q / p)).sum(axis=1)
    return index


def round_of(
    *,
    at: datetime,
    version: int,
    pairs: Sequence[tuple[bool, Side]],
) -> Round:
    """A round from its answered traces: whether the verdict equals the experts' answer, and that answer's side."""
    sides = Counter(side for _, side in pairs)
    hits = Counter(side for is_right, side in pairs if is_right)
    return Round(
        at=at,
        version=version,
        total=Tally(hits=sum(hits.values()), n=len(pairs)),
        by_side={side: Tally(hits=hits[side], n=sides[side]) for side in sides},
    )
