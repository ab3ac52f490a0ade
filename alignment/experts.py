"""The judge beside the experts: does it agree with them as they do with each other, and what do noisy labels hide?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from alignment.intervals import Figure, report, undefined
from alignment.labels import Example
from alignment.versions import mean
from judges.values import Value, value_key

FEWEST_SHARED = 5
_TOO_FEW = f"Fewer than {FEWEST_SHARED} traces were answered by several experts."

Verdicts = Mapping[str, Value | None]


@dataclass(frozen=True, kw_only=True)
class BesideExperts:
    """A judge's verdicts beside single experts' answers, where several experts answered.

    Attributes:
        between_experts: How often two experts agree on a trace.
        before: How often the current version agrees with one expert, on the same traces.
        after: How often the candidate does.
        label_noise: How often a label is likely to be wrong, by the experts' disagreement; None where unknown.
        true_before: The current version's accuracy on the tested labels, corrected for that noise.
        true_after: The candidate's.
    """

    between_experts: Figure
    before: Figure
    after: Figure
    label_noise: float | None
    true_before: float | None
    true_after: float | None

    @property
    def sentence(self) -> str:
        """What it comes to, for people; empty where too few traces have several answers."""
        humans, judge = self.between_experts.value, self.after.value
        if humans is None or judge is None:
            return ""
        text = (
            f"Two experts agree with each other on {100 * humans:.0f} % of the traces that several answered; the "
            f"candidate agrees with one of them on {100 * judge:.0f} %."
        )
        if self.label_noise is None or self.true_after is None:
            return text
        return (
            f"{text} By their disagreement about {100 * self.label_noise:.0f} % of the labels are wrong; corrected for "
            f"that, its accuracy is about {100 * self.true_after:.0f} %."
        )

    def to_dict(self) -> dict[str, Any]:
        """Bare values by name, the figures under `details`, and the sentence."""
        figures = {
            "between_experts": self.between_experts,
            "before": self.before,
            "after": self.after,
        }
        return {
            **report(figures),
            "label_noise": self.label_noise,
            "true_before": self.true_before,
            "true_after": self.true_after,
            "sentence": self.sentence,
        }


def beside_experts(
    examples: Sequence[Example], tested: Sequence[Example], before: Verdicts, after: Verdicts
) -> BesideExperts:
    """The comparison, over the tested examples that several experts answered.

    Args:
        examples: All examples: they tell how much experts disagree.
        tested: Those that both versions judged.
        before: The current version's verdicts by trace id.
        after: The candidate's.
    """
    shared = [example for example in tested if len(example.votes) > 1]
    if len(shared) < FEWEST_SHARED:
        nothing = undefined(_TOO_FEW, n=len(shared))
        between = was = now = nothing
    else:
        between = mean([_pairs_that_agree(example) for example in shared])
        was = mean([_share_of(example, before[example.trace.trace_id]) for example in shared])
        now = mean([_share_of(example, after[example.trace.trace_id]) for example in shared])
    noise = label_noise(examples, tested)
    values = len({value_key(example.value) for example in examples})

    def corrected(verdicts: Verdicts) -> float | None:
        if noise is None or not tested:
            return None
        right = sum(
            value_key(verdicts[e.trace.trace_id]) == value_key(e.value)
            for e in tested
            if verdicts[e.trace.trace_id] is not None
        )
        return true_accuracy(right / len(tested), noise=noise, values=values)

    return BesideExperts(
        between_experts=between,
        before=was,
        after=now,
        label_noise=noise,
        true_before=corrected(before),
        true_after=corrected(after),
    )


def label_noise(examples: Sequence[Example], tested: Sequence[Example]) -> float | None:
    """How often the tested labels are likely to be wrong; None where too few traces have several answers.

    One expert's error rate e follows from how often two agree, (1 - e)^2 + e^2 / (k - 1) with k values, errors being
    independent and evenly spread. A label that has d votes more than the next value is wrong with odds (e / (1 - e))^d.
    """
    shared = [example for example in examples if len(example.votes) > 1]
    values = max(2, len({value_key(example.value) for example in examples}))
    if len(shared) < FEWEST_SHARED or not tested:
        return None
    agree = math.fsum(_pairs_that_agree(example) for example in shared) / len(shared)
    error = one_experts_error(agree, values=values)
    if error is None:
        return None
    if error == 0:
        return 0.0
    odds = error / (values - 1) / (1 - error)
    wrong = []
    for example in tested:
        counts = Counter(value_key(value) for value in example.votes.values())
        for_label = counts.pop(value_key(example.value), 1)
        lead = for_label - max(counts.values(), default=0)
        against = (values - 1) * odds ** max(lead, 0)
        wrong.append(against / (1 + against))
    return math.fsum(wrong) / len(wrong)


def one_experts_error(agreement: float, *, values: int) -> float | None:
    """How often one expert errs, when two agree so often; None where they agree no more than by chance."""
    k = values - 1
    # (1 - e)^2 + e^2 / k = a, the smaller root
    discriminant = 1 - (1 + 1 / k) * (1 - agreement)
    if discriminant <= 0:
        return None
    return (1 - math.sqrt(discriminant)) / (1 + 1 / k)


def true_accuracy(observed: float, *, noise: float, values: int) -> float | None:
    """The accuracy against the truth of a judge that agrees so often with labels of which that share is wrong.

    Errors of judge and labels are taken to be independent and evenly spread over the other values.
    """
    by_luck = noise / max(1, values - 1)
    span = 1 - noise - by_luck
    if span <= 0:
        return None
    return min(1.0, max(0.0, (observed - by_luck) / span))


def _pairs_that_agree(example: Example) -> float:
    keys = [value_key(value) for value in example.votes.values()]
    pairs = list(combinations(keys, 2))
    return sum(a == b for a, b in pairs) / len(pairs)


def _share_of(example: Example, verdict: Value | None) -> float:
    if verdict is None:
        return 0.0
    keys = [value_key(value) for value in example.votes.values()]
    return keys.count(value_key(verdict)) / len(keys)
