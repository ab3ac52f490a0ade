"""Choosing what to review: skewed on purpose, with the chance of each choice kept, so that the whole can still be estimated.

A sample is drawn by strata. Part of it, the random share, is spread over the strata in proportion to their sizes; the rest
goes where it is wanted. An item's chance of being chosen is what its stratum is expected to get, by the stratum's size.
Weighing each answer with the inverse of that chance (Horvitz and Thompson 1952, JASA 47:663) undoes the skew.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

from alignment.intervals import CONFIDENCE, Figure, undefined, wilson
from alignment.readiness import Thresholds, additions
from alignment.sides import Side

LEAST_RANDOM_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Something that can be chosen, and the one stratum it belongs to."""

    item: int
    stratum: str


@dataclass(frozen=True, kw_only=True)
class Pick:
    """What was chosen: its stratum and the chance it had, above 0 to 1."""

    item: int
    stratum: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """How much of a stratum a sample takes: of `size` candidates `expected` on average, and `drawn` in the event."""

    size: int
    expected: float
    drawn: int = 0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What was drawn, in random order, and from where.

    Attributes:
        picks: The items.
        strata: Every stratum of the frame by name, also those that gave nothing.
        random_share: The share that was spread in proportion to the sizes.
        seed: Draws the same sample again from the same candidates.
    """

    picks: tuple[Pick, ...]
    strata: dict[str, Stratum]
    random_share: float
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """What is kept with the session, ready for JSON."""
        return {
            "random_share": self.random_share,
            "seed": self.seed,
            "strata": {
                name: {"size": each.size, "expected": each.expected, "drawn": each.drawn}
                for name, each in self.strata.items()
            },
        }


def expected_mix(
    sizes: Mapping[str, int],
    *,
    size: int,
    weights: Mapping[str, float] | None = None,
    random_share: float = LEAST_RANDOM_SHARE,
) -> dict[str, float]:
    """How many items each stratum is expected to give.

    Args:
        sizes: How many candidates each stratum has.
        size: How many items are wanted in all; all there are, when there are fewer.
        weights: How much of the part that is not random goes to each stratum, in any unit; none of it, to strata that
            are not named. Without any weight it is all random.
        random_share: The share that is spread in proportion to the sizes, from LEAST_RANDOM_SHARE to 1.

    Returns:
        Numbers from 0 to the stratum's size that add up to the size of the sample.

    Raises:
        ValueError: when the random share is out of its bounds, or a weight is negative.
    """
    if not LEAST_RANDOM_SHARE <= random_share <= 1:
        raise ValueError(f"The random share must be from {LEAST_RANDOM_SHARE:.0%} to 100 %.")
    weights = weights or {}
    if any(weight < 0 for weight in weights.values()):
        raise ValueError("A stratum's weight cannot be negative.")
    total = sum(sizes.values())
    wanted = float(min(size, total))
    if not total:
        return dict.fromkeys(sizes, 0.0)
    named = _shares({name: weights.get(name, 0.0) for name in sizes})
    at_random = wanted if not any(named.values()) else wanted * random_share
    mix = {name: at_random * many / total for name, many in sizes.items()}
    room = {name: sizes[name] - mix[name] for name in sizes}
    for name, extra in _fill(named, room, wanted - at_random).items():
        mix[name] += extra
    left = wanted - math.fsum(mix.values())
    if left > 1e-9:  # the strata that are wanted have no more, so that the others make up for it
        room = {name: sizes[name] - mix[name] for name in sizes}
        for name, extra in _fill(room, room, left).items():
            mix[name] += extra
    return {name: min(mix[name], float(sizes[name])) for name in sizes}


def draw(
    candidates: Iterable[Candidate],
    *,
    size: int,
    weights: Mapping[str, float] | None = None,
    random_share: float = LEAST_RANDOM_SHARE,
    seed: int = 0,
) -> Sample:
    """Draw a sample. Same candidates in the same order and same seed, same sample.

    Args:
        candidates: The frame: everything that could be chosen, each once.
        size: As in `expected_mix`, like the next two.
        weights: See there.
        random_share: See there.
        seed: Any whole number.
    """
    frame: dict[str, list[int]] = defaultdict(list)
    for candidate in candidates:
        frame[candidate.stratum].append(candidate.item)
    sizes = {name: len(items) for name, items in frame.items()}
    mix = expected_mix(sizes, size=size, weights=weights, random_share=random_share)
    chance = random.Random(seed)  # noqa: S311 - to be repeatable, not secret
    counts = _rounded(mix, chance)
    picks = [
        Pick(item=item, stratum=name, probability=min(1.0, mix[name] / sizes[name]))
        for name, items in frame.items()
        for item in chance.sample(items, counts[name])
    ]
    chance.shuffle(picks)
    return Sample(
        picks=tuple(picks),
        strata={
            name: Stratum(size=sizes[name], expected=mix[name], drawn=counts[name])
            for name in sizes
        },
        random_share=random_share,
        seed=seed,
    )


# --- What the whole looks like


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Whether judge and people agree on one item of a sample, and the chance that the item had to be in it."""

    agrees: bool
    stratum: str
    probability: float


def weighted_agreement(observations: Sequence[Observation]) -> Figure:
    """How often judge and people would agree on everything the sample was drawn from, with a 95 % interval.

    Within each stratum the items stand for each other; a stratum's share of the whole is that of its items' weights. The
    interval is Wilson's for as many items of a simple random sample as would be as uncertain. Each stratum's uncertainty
    is taken from its share with one agreement and one disagreement added, so that unanimity in a small stratum that
    stands for many does not pass for certainty.
    """
    if not observations:
        return undefined("Nothing of the sample was answered yet.")
    groups: dict[tuple[str, float], list[bool]] = defaultdict(list)
    for each in observations:
        groups[each.stratum, each.probability].append(each.agrees)
    weights = {key: len(found) / key[1] for key, found in groups.items()}
    whole = math.fsum(weights.values())
    estimate = math.fsum(
        weights[key] / whole * sum(found) / len(found) for key, found in groups.items()
    )
    variance = math.fsum(
        (weights[key] / whole) ** 2 * _spread(sum(found), len(found))
        for key, found in groups.items()
    )
    n = len(observations)
    pooled = (estimate * n + 1) / (n + 2)
    effective = min(float(n), pooled * (1 - pooled) / variance) if variance else float(n)
    low, high = _wilson_share(estimate, effective)
    return Figure(value=estimate, low=low, high=high, n=n)


def _spread(hits: int, n: int) -> float:
    share = (hits + 1) / (n + 2)
    return share * (1 - share) / n


def _wilson_share(share: float, n: float) -> tuple[float, float]:
    """`wilson` for a number of items that is no whole number."""
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    if n >= 1 and n == int(n) and abs(share * n - round(share * n)) < 1e-9:
        return wilson(round(share * n), int(n))
    centre = share + z**2 / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    return min(max(0.0, (centre - reach) / scale), share), max(
        min(1.0, (centre + reach) / scale), share
    )


# --- What a mix does to readiness, and the least that is missing


@dataclass(frozen=True, kw_only=True)
class Yield:
    """What reviewing one stratum is likely to bring.

    Attributes:
        name: The stratum.
        size: How many candidates it has.
        positive: The chance that a label lies on the positive side, from 0 to 1.
        negative: The chance that it lies on the negative side.
    """

    name: str
    size: int
    positive: float
    negative: float


def side_chances(
    seen: Mapping[Side, int], *, verdict: Side | None, prior: float = 2.0
) -> dict[Side, float]:
    """The chance of each side for the label of a trace, by what labels traces with such a verdict have got so far.

    Args:
        seen: How many labels of each side such traces have.
        verdict: The side that the verdict itself is on; None without a verdict.
        prior: How many labels the verdict's own side counts for; without a verdict they are spread evenly.
    """
    expected = {
        side: prior / len(Side) if verdict is None else prior * (side is verdict) for side in Side
    }
    # Judges err: a side nobody has seen yet still has a small chance.
    counts = {side: seen.get(side, 0) + expected[side] + 0.1 for side in Side}
    total = sum(counts.values())
    return {side: count / total for side, count in counts.items()}


def expected_sides(mix: Mapping[str, float], yields: Iterable[Yield]) -> dict[Side, float]:
    """How many labels of each side a mix of reviews is likely to bring."""
    found = dict.fromkeys(Side, 0.0)
    for each in yields:
        many = mix.get(each.name, 0.0)
        found[Side.POSITIVE] += many * each.positive
        found[Side.NEGATIVE] += many * each.negative
        found[Side.NEUTRAL] += many * max(0.0, 1 - each.positive - each.negative)
    return found


@dataclass(frozen=True, kw_only=True)
class Missing:
    """The fewest reviews that are expected to make a judge ready.

    Attributes:
        reviews: How many to take from each stratum; empty when nothing is missing.
        suffices: Whether they suffice; False when there are not enough candidates, and these are the best there are.
    """

    reviews: dict[str, int] = field(default_factory=dict)
    suffices: bool = True

    @property
    def total(self) -> int:
        """How many reviews in all."""
        return sum(self.reviews.values())


def fewest_reviews(
    have: Mapping[Side, int], yields: Sequence[Yield], thresholds: Thresholds
) -> Missing:
    """The fewest reviews that are expected to bring the total and both shares to their thresholds.

    What the shares ask for grows with the total, so the number of reviews is tried from the least on. One review more
    brings at most one label more on a side, so that a number that falls short by three is followed by one three higher.
    """
    counts = {side: have.get(side, 0) for side in Side}
    gap = additions(counts, thresholds)
    least = gap.positive + gap.negative + gap.any_side
    if not least:
        return Missing()
    most = sum(each.size for each in yields)
    many = least
    while many <= most:
        spare, reviews = _best_split(counts, yields, thresholds, many)
        if spare >= -1e-9:
            return Missing(reviews=reviews)
        many += max(1, math.ceil(-spare - 1e-9))
    _, reviews = _best_split(counts, yields, thresholds, most)
    return Missing(reviews=reviews, suffices=False)


def _best_split(
    have: Mapping[Side, int], yields: Sequence[Yield], thresholds: Thresholds, many: int
) -> tuple[float, dict[str, int]]:
    """How far the side that falls short the most is from what it needs (negative: short), and the reviews for that.

    Begins with those richest in positive labels, then exchanges reviews where most negative ones are won for the fewest
    positive ones lost, until the two sides meet.
    """
    total = sum(have.values()) + many
    need = math.ceil(thresholds.min_share * total - 1e-9)
    richest = sorted(yields, key=lambda each: (-each.positive, -each.negative, each.name))
    taken: dict[str, int] = {}
    for each in richest:
        taken[each.name] = min(each.size, many - sum(taken.values()))
    best = (_spare(have, taken, yields, need), {name: n for name, n in taken.items() if n})
    while (swap := _best_swap(taken, yields)) is not None:
        taken[swap[0]] -= 1
        taken[swap[1]] += 1
        spare = _spare(have, taken, yields, need)
        if spare <= best[0] - 1e-12:
            break
        if spare > best[0]:
            best = (spare, {name: n for name, n in taken.items() if n})
    return best


def _spare(
    have: Mapping[Side, int], taken: Mapping[str, int], yields: Sequence[Yield], need: int
) -> float:
    sides = expected_sides(taken, yields)
    return min(have[side] + sides[side] - need for side in (Side.POSITIVE, Side.NEGATIVE))


def _best_swap(taken: Mapping[str, int], yields: Sequence[Yield]) -> tuple[str, str] | None:
    swaps = [
        (
            max(out.positive - into.positive, 0.0) / (into.negative - out.negative),
            out.name,
            into.name,
        )
        for out in yields
        for into in yields
        if taken[out.name] and taken[into.name] < into.size and into.negative > out.negative
    ]
    return min(swaps)[1:] if swaps else None


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    """Weights as shares of one; what is too small to tell from rounding is nothing."""
    most = max(weights.values())
    relative = {name: weight / most if most else 0.0 for name, weight in weights.items()}
    total = math.fsum(relative.values())
    return {name: each / total if each > 1e-9 else 0.0 for name, each in relative.items()}


def _fill(
    weights: Mapping[str, float], room: Mapping[str, float], amount: float
) -> dict[str, float]:
    """Spread an amount by weight; what has no room for its part leaves it to the others."""
    given = dict.fromkeys(weights, 0.0)
    open_names = [name for name, weight in weights.items() if weight > 0 and room[name] > 1e-12]
    while amount > 1e-9 and open_names:
        unit = amount / math.fsum(weights[name] for name in open_names)
        full = [name for name in open_names if unit * weights[name] >= room[name]]
        for name in full or open_names:
            given[name] = room[name] if full else unit * weights[name]
        amount = amount - math.fsum(room[name] for name in full) if full else 0.0
        open_names = [name for name in open_names if name not in full]
    return given


def _rounded(mix: Mapping[str, float], chance: random.Random) -> dict[str, int]:
    """Whole numbers that add up, each on average what the mix says: one random start, then steps of one."""
    counts: dict[str, int] = {}
    start, passed = chance.random(), 0.0
    for name, expected in mix.items():
        before = math.floor(passed + start + 1e-9)
        passed += expected
        counts[name] = math.floor(passed + start + 1e-9) - before
    return counts
