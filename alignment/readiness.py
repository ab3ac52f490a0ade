"""Readiness: whether a judge's labels suffice, and exactly what is missing.

The numbers are those of the set that would be aligned: traces with a label and a verdict.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from alignment.labels import Reason, ReasonCode
from alignment.sides import Side, Sides
from judges.values import Value, value_key

THIN_VALUE = 3
UNDECIDED_SIDES = "decide which side each value is on"


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What a judge asks of its labels before it is aligned.

    Attributes:
        minimum: Fewest labels.
        recommended: Labels from which on results are usually good.
        min_share: Least share of the labels on the positive and on the negative side, from 0 to below 0.5.
    """

    minimum: int = 10
    recommended: int = 50
    min_share: float = 0.30

    def __post_init__(self) -> None:
        if self.minimum < 1:
            raise ValueError("The minimum number of labels must be at least 1.")
        if not 0 <= self.min_share < 0.5:
            raise ValueError("The least share of a side must be from 0 % to below 50 %.")


@dataclass(frozen=True, kw_only=True)
class TraceState:
    """What is known about one trace, for one judge.

    Attributes:
        trace_id: The trace.
        label: The settled label, or None.
        no_label: Why there is no label; None when nobody gave feedback.
        verdict: The judge's newest verdict, or None.
        verdict_failed: Whether the newest try at a verdict ended in an error.
    """

    trace_id: str
    label: Value | None = None
    no_label: Reason | None = None
    verdict: Value | None = None
    verdict_failed: bool = False


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """How far the labels are.

    Attributes:
        usable: Traces with a label and a verdict.
        by_side: How many of them lie on each side.
        by_value: How many of them have each label, by `value_key`.
        missing: Short sentences ("4 more negative"); adding exactly these makes it ready. Empty when ready.
        excluded: Every trace left out, with its reason.
        advice: Sentences that are worth following but bar nothing.
        lacking: The sides that need more labels.
        would_help: Verdict values whose unlabelled traces are the most likely to fill the gap, best first.
        review_next: Unlabelled traces in that order.
        run_judge_on: Labelled traces that only lack a verdict.
        thresholds: What it was measured against.
    """

    usable: int
    by_side: dict[Side, int]
    by_value: dict[str, int]
    missing: list[str]
    excluded: list[tuple[str, Reason]]
    advice: list[str]
    lacking: tuple[Side, ...]
    would_help: tuple[Value, ...]
    review_next: tuple[str, ...]
    run_judge_on: tuple[str, ...]
    thresholds: Thresholds = field(default_factory=Thresholds)

    @property
    def is_ready(self) -> bool:
        """Whether an alignment may start."""
        return not self.missing

    @property
    def is_recommended(self) -> bool:
        """Whether the recommended number of labels is reached as well."""
        return self.is_ready and self.usable >= self.thresholds.recommended

    def share(self, side: Side) -> float:
        """The share of a side among the usable labels, from 0 to 1."""
        return self.by_side[side] / self.usable if self.usable else 0.0


def readiness(
    states: Iterable[TraceState], *, sides: Sides, thresholds: Thresholds | None = None
) -> Readiness:
    """How far the labels of a judge are.

    Args:
        states: Every trace of the experiment, or those that somebody or the judge has looked at.
        sides: The side of each value of the judge.
        thresholds: What the judge asks for.
    """
    thresholds = thresholds or Thresholds()
    usable: list[tuple[Value, Value]] = []
    excluded: list[tuple[str, Reason]] = []
    unlabelled: list[TraceState] = []
    run_judge_on: list[str] = []
    for state in states:
        reason = _why_left_out(state)
        if reason is None and state.label is not None and state.verdict is not None:
            usable.append((state.label, state.verdict))
        elif reason is not None:
            excluded.append((state.trace_id, reason))
            if reason.code is ReasonCode.NO_FEEDBACK and state.verdict is not None:
                unlabelled.append(state)
            elif reason.code in {ReasonCode.NO_VERDICT, ReasonCode.VERDICT_FAILED}:
                run_judge_on.append(state.trace_id)
    counts = Counter(sides.side_of(label) for label, _ in usable)
    by_side = {side: counts[side] for side in Side}
    gap = additions(by_side, thresholds)
    missing = [UNDECIDED_SIDES] if not sides.is_decided else gap.sentences()
    lacking = gap.lacking() if sides.is_decided else ()
    would_help = _rank_verdicts(usable, unlabelled, sides, lacking)
    rank = {value_key(value): position for position, value in enumerate(would_help)}
    queue = [state for state in unlabelled if value_key(state.verdict) in rank]
    queue.sort(key=lambda state: rank[value_key(state.verdict)])
    by_value = Counter(value_key(label) for label, _ in usable)
    return Readiness(
        usable=len(usable),
        by_side=by_side,
        by_value=dict(by_value),
        missing=missing,
        excluded=excluded,
        advice=_advice(len(usable), by_value, sides, thresholds),
        lacking=lacking,
        would_help=would_help,
        review_next=tuple(state.trace_id for state in queue),
        run_judge_on=tuple(run_judge_on),
        thresholds=thresholds,
    )


@dataclass(frozen=True, kw_only=True)
class Additions:
    """The fewest labels that make a set ready: some on either side, and some on any side."""

    positive: int
    negative: int
    any_side: int

    def sentences(self) -> list[str]:
        """`["4 more negative", "2 more labels"]`; empty when nothing is missing."""
        sentences = []
        if self.positive:
            sentences.append(f"{self.positive} more positive")
        if self.negative:
            sentences.append(f"{self.negative} more negative")
        if self.any_side:
            sentences.append(f"{self.any_side} more {'label' if self.any_side == 1 else 'labels'}")
        return sentences

    def lacking(self) -> tuple[Side, ...]:
        """The sides that need more labels."""
        needs = ((Side.POSITIVE, self.positive), (Side.NEGATIVE, self.negative))
        return tuple(side for side, need in needs if need)


def additions(by_side: dict[Side, int], thresholds: Thresholds) -> Additions:
    """The fewest labels to add so that the total and both shares suffice.

    Every addition raises the total and with it what the shares ask for, so the smallest total that works is sought.
    """
    positive, negative = by_side.get(Side.POSITIVE, 0), by_side.get(Side.NEGATIVE, 0)
    have = positive + negative + by_side.get(Side.NEUTRAL, 0)
    total = max(thresholds.minimum, have)
    while True:
        per_side = math.ceil(thresholds.min_share * total - 1e-9)  # 0.3 x 10 must ask for 3, not 4
        more_positive = max(0, per_side - positive)
        more_negative = max(0, per_side - negative)
        spare = total - have - more_positive - more_negative
        if spare >= 0:
            return Additions(positive=more_positive, negative=more_negative, any_side=spare)
        total += 1


def _why_left_out(state: TraceState) -> Reason | None:
    if state.label is None:
        return state.no_label or Reason(
            code=ReasonCode.NO_FEEDBACK, text="Nobody has given feedback yet."
        )
    if state.verdict_failed:
        return Reason(
            code=ReasonCode.VERDICT_FAILED, text="The judge's verdict on it failed; run it again."
        )
    if state.verdict is None:
        return Reason(code=ReasonCode.NO_VERDICT, text="The judge has given no verdict on it yet.")
    return None


def _rank_verdicts(
    usable: Sequence[tuple[Value, Value]],
    unlabelled: Sequence[TraceState],
    sides: Sides,
    lacking: Sequence[Side],
) -> tuple[Value, ...]:
    """Verdict values by how often their traces turn out to lie on a lacking side.

    The verdict's own side counts as two labels, so that a value nobody has met yet is ranked by what it says.
    """
    values: dict[str, Value] = {}
    for state in unlabelled:
        if state.verdict is not None:
            values.setdefault(value_key(state.verdict), state.verdict)

    def likelihood(item: tuple[str, Value]) -> float:
        key, verdict = item
        labels = [label for label, seen in usable if value_key(seen) == key]
        hits = sum(sides.side_of(label) in lacking for label in labels)
        prior = 2 if sides.side_of(verdict) in lacking else 0
        return (hits + prior) / (len(labels) + 2)

    ranked = sorted(values.items(), key=lambda item: (-likelihood(item), item[0]))
    return tuple(verdict for _, verdict in ranked)


def _advice(usable: int, by_value: Counter[str], sides: Sides, thresholds: Thresholds) -> list[str]:
    advice = []
    if usable < thresholds.recommended:
        advice.append(f"{thresholds.recommended} labels or more usually give better results.")
    for key in sides.by_value:
        if usable >= thresholds.minimum and by_value[key] < THIN_VALUE:
            count = by_value[key]
            have = (
                "No label is"
                if count == 0
                else "Only 1 label is"
                if count == 1
                else f"Only {count} labels are"
            )
            advice.append(f"{have} “{key}”, so the judge learns little about it.")
    return advice
