"""What a run comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from alignment.evaluation import Verdicts
from alignment.experts import BesideExperts
from alignment.gate import Decision
from alignment.judge_agreement import JudgeAgreement
from alignment.labels import Example, Reason, Side
from alignment.split import Split
from alignment.versions import VersionComparison
from judges.entities import Usage
from judges.instructions import InstructionsJudge
from judges.values import Value, value_key


class Change(StrEnum):
    """What the candidate did to an item."""

    FIXED = "FIXED"
    BROKEN = "BROKEN"
    SAME = "SAME"


@dataclass(frozen=True, kw_only=True)
class TestedItem:
    """A held-out trace, judged by both versions. A verdict of None failed, and counts as wrong."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    trace_id: str
    label: Value
    side: Side
    before: Value | None
    after: Value | None
    change: Change

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        return {
            "trace_id": self.trace_id,
            "label": self.label,
            "side": self.side.value,
            "before": self.before,
            "after": self.after,
            "change": self.change.value,
        }


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run came to.

    Attributes:
        decision: The gate's word and its reason.
        candidate: The new judge; None when nothing was proposed that could be promoted.
        split: Which traces taught, chose and tested.
        before: Agreement of the current version on the tested labels.
        after: Agreement of the candidate on them; None when it was not tested.
        comparison: Both, item by item, with the paired interval; None when the candidate was not tested.
        experts: Both beside single experts; None when the candidate was not tested.
        items: Every tested trace with both verdicts.
        excluded: Examples that could not be used, with the reason.
        usage: What the run's model calls took.
    """

    decision: Decision
    candidate: InstructionsJudge | None
    split: Split
    before: JudgeAgreement
    after: JudgeAgreement | None = None
    comparison: VersionComparison | None = None
    experts: BesideExperts | None = None
    items: tuple[TestedItem, ...] = ()
    excluded: tuple[tuple[str, Reason], ...] = ()
    usage: Usage = field(default_factory=Usage)

    def figures(self) -> dict[str, Any]:
        """The figures before and after, and their comparison, ready for JSON."""
        return {
            "before": self.before.to_dict(),
            "after": self.after.to_dict() if self.after else None,
            "comparison": self.comparison.to_dict() if self.comparison else None,
            "experts": self.experts.to_dict() if self.experts else None,
            "is_cross_validated": self.split.is_cross_validated,
        }


def is_right(example: Example, verdict: Value | None) -> bool:
    """Whether a verdict equals the label; a failed one never does."""
    return verdict is not None and value_key(verdict) == value_key(example.value)


def hits(examples: Sequence[Example], verdicts: Verdicts) -> int:
    """How many verdicts equal the label."""
    return sum(is_right(example, verdicts[example.trace.trace_id]) for example in examples)


def tested_items(
    tested: Sequence[Example], before: Verdicts, after: Verdicts
) -> tuple[TestedItem, ...]:
    """Every tested example with both verdicts and what became of it."""
    items = []
    for example in tested:
        trace_id = example.trace.trace_id
        was, now = is_right(example, before[trace_id]), is_right(example, after[trace_id])
        items.append(
            TestedItem(
                trace_id=trace_id,
                label=example.value,
                side=example.side,
                before=before[trace_id],
                after=after[trace_id],
                change=Change.SAME if was == now else Change.FIXED if now else Change.BROKEN,
            )
        )
    return tuple(items)
