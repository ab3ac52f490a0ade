"""Fitting what a judge's answers stand for to the labels, without a single model call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alignment.metric import Metric
from judges.calibration import Calibration
from judges.values import Value, ValueKind, value_key

FEWEST_PAIRS = 20
MOST_POINTS = 8  # more would follow the noise
MOST_GRADES = 11  # 0 to 10

Pairs = Sequence[tuple[Value, Value]]  # (the judge's answer, the label)


def fit_calibration(pairs: Pairs, metric: Metric) -> Calibration | None:
    """The monotone map from answers to verdicts that is worth most on the pairs; None where it would change nothing.

    Values that can be listed get the best map of all that keep the order; so do whole numbers of which only a few occur,
    whatever their declared range. Other numbers get an isotonic regression.

    Args:
        pairs: The judge's answer and the label, for each example.
        metric: What a verdict is worth.
    """
    if len(pairs) < FEWEST_PAIRS:
        return None
    scale = metric.value_type.choices or _few_whole_numbers(pairs, metric)
    if scale and (metric.value_type.ordered or metric.value_type.is_numeric):
        return _fit_grades(pairs, metric, scale)
    if metric.value_type.is_numeric:
        return _fit_points(pairs)
    return None


def _few_whole_numbers(pairs: Pairs, metric: Metric) -> Sequence[Value]:
    """The whole numbers that occur, lowest first, where they are as few as the grades of a scale; else none."""
    if metric.value_type.kind is not ValueKind.INTEGER:
        return ()
    seen = {int(value) for pair in pairs for value in pair}
    return sorted(seen) if len(seen) <= MOST_GRADES else ()


def _fit_grades(pairs: Pairs, metric: Metric, scale: Sequence[Value]) -> Calibration | None:
    """By dynamic programming over answers, lowest first: the best image of each, not below that of the one before."""
    place = {value_key(value): position for position, value in enumerate(scale)}
    size = len(scale)
    worth = np.zeros((size, size))
    for answer, label in pairs:
        if value_key(answer) in place:
            worth[place[value_key(answer)]] += [metric.credit(label, verdict) for verdict in scale]
    staying = 1e-6 * np.eye(size)  # of equally good maps the one that changes least
    best = worth[0] + staying[0]
    steps = []
    for answer in range(1, size):
        up_to = [int(np.argmax(best[: image + 1])) for image in range(size)]
        steps.append(up_to)
        best = worth[answer] + staying[answer] + best[up_to]
    images = [int(np.argmax(best))]
    for up_to in reversed(steps):
        images.append(up_to[images[-1]])
    images.reverse()
    if images == list(range(size)):
        return None
    return Calibration(grades=tuple(zip(scale, (scale[image] for image in images), strict=True)))


def _fit_points(pairs: Pairs) -> Calibration | None:
    """Pool adjacent violators (Ayer et al. 1955): the rising steps with the least squared error."""
    numbers = sorted(
        (float(answer), float(label))
        for answer, label in pairs
        if not isinstance(answer, str) and not isinstance(label, str)
    )
    blocks: list[list[float]] = []  # sum of answers, sum of labels, count
    for group in np.array_split(np.array(numbers), min(MOST_POINTS, len(numbers) // 3)):
        blocks.append([*group.sum(axis=0).tolist(), float(len(group))])
        while len(blocks) > 1 and (
            blocks[-2][1] / blocks[-2][2] >= blocks[-1][1] / blocks[-1][2]
            or blocks[-2][0] / blocks[-2][2] == blocks[-1][0] / blocks[-1][2]
        ):
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    points = tuple((answers / n, labels / n) for answers, labels, n in blocks)
    if len(points) < 2 or all(abs(answer - label) < 1e-9 for answer, label in points):
        return None
    return Calibration(points=points)
