"""The gate: whether a candidate is promoted, waits for an admin, or is rejected, and why in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from alignment.intervals import Figure
from alignment.judge_agreement import JudgeAgreement
from alignment.sides import Side
from alignment.versions import VersionComparison

NOTHING_CHANGED = "The optimizer found nothing to change."
MINUS = "\N{MINUS SIGN}"


class Outcome(StrEnum):
    """What becomes of a candidate."""

    PROMOTE = "PROMOTE"
    CANDIDATE = "CANDIDATE"
    REJECT = "REJECT"


@dataclass(frozen=True, kw_only=True)
class GatePolicy:
    """When a candidate counts as decisively better.

    Attributes:
        margin: The whole interval of the difference must lie above this; 0.05 is five points.
        max_harm_per_side: Most that the recall of the positive or the negative side may drop; 0.1 is ten points.
        min_items: Fewest tested labels that may decide.
    """

    margin: float = 0.0
    max_harm_per_side: float = 0.10
    min_items: int = 10

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form."""
        return {
            "margin": self.margin,
            "max_harm_per_side": self.max_harm_per_side,
            "min_items": self.min_items,
        }


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The gate's word, with its reason in one sentence with numbers."""

    outcome: Outcome
    reason: str


def decide(
    *,
    before: JudgeAgreement,
    after: JudgeAgreement,
    comparison: VersionComparison,
    policy: GatePolicy | None = None,
    is_cross_validated: bool = False,
) -> Decision:
    """What becomes of a candidate that was tested on the same labels as the current version.

    Args:
        before: Agreement of the current version on the tested labels.
        after: Agreement of the candidate on them.
        comparison: Both, item by item.
        policy: When it counts as decisive.
        is_cross_validated: Whether the labels were held out in turn rather than once and for all.
    """
    policy = policy or GatePolicy()
    difference = comparison.deciding
    if difference.value is None or difference.low is None or difference.high is None:
        return Decision(
            outcome=Outcome.REJECT, reason="No label was left to test the candidate on."
        )
    figures = _figures(comparison, is_cross_validated=is_cross_validated)
    if difference.value <= 0:
        return Decision(
            outcome=Outcome.REJECT,
            reason=f"The candidate is not better than the current version: {figures}.",
        )
    harm = _worst_harm(before, after)
    if harm is not None and harm[1] > policy.max_harm_per_side + 1e-9:
        side, drop = harm
        return Decision(
            outcome=Outcome.CANDIDATE,
            reason=f"Better, but recall of the {side.lower()} side drops by {_points(drop)}, more than the "
            f"{_points(policy.max_harm_per_side)} allowed: {figures}.",
        )
    if comparison.n < policy.min_items:
        return Decision(
            outcome=Outcome.CANDIDATE,
            reason=f"Better, but {comparison.n} tested labels cannot decide, {policy.min_items} can: {figures}.",
        )
    if difference.low <= policy.margin:
        wanted = "above zero" if policy.margin == 0 else f"above {_points(policy.margin)}"
        return Decision(
            outcome=Outcome.CANDIDATE,
            reason=f"Better, but not decisively, because the interval is not {wanted}: {figures}.",
        )
    return Decision(outcome=Outcome.PROMOTE, reason=f"Decisively better: {figures}.")


def _figures(comparison: VersionComparison, *, is_cross_validated: bool) -> str:
    how = " in cross-validation" if is_cross_validated else ""
    before, after, difference = comparison.before, comparison.after, comparison.difference
    text = (
        f"agreement on {comparison.n} held-out labels{how} went from {_percent(before.value)} to "
        f"{_percent(after.value)} ({_change(difference)}), {len(comparison.fixed)} fixed and "
        f"{len(comparison.broken)} broken"
    )
    old, new, worth = (
        comparison.worth_before,
        comparison.worth_after,
        comparison.worth_difference,
    )
    if old is None or new is None or worth is None or worth.low is None:
        return text
    return (
        f"with {comparison.worth_counts}, the verdicts went from {_percent(old.value)} to {_percent(new.value)} of the "
        f"best possible ({_change(worth)}); exact {text}"
    )


def _change(difference: Figure) -> str:
    return (
        f"{_signed(difference.value)} points, 95 % interval {_signed(difference.low)} to "
        f"{_signed(difference.high)}"
    )


def _worst_harm(before: JudgeAgreement, after: JudgeAgreement) -> tuple[Side, float] | None:
    """The side whose recall dropped most, and by how much; None when no side lost."""
    drops = []
    for side in (Side.POSITIVE, Side.NEGATIVE):
        old, new = before.side_recall.get(side.value), after.side_recall.get(side.value)
        if old is not None and new is not None and old.value is not None and new.value is not None:
            drops.append((side, old.value - new.value))
    worst = max(drops, key=lambda drop: drop[1], default=None)
    return worst if worst is not None and worst[1] > 0 else None


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.0f} %"


def _points(share: float) -> str:
    return f"{100 * share:.0f} points"


def _signed(share: float | None) -> str:
    """Whole points with a sign, the minus a real one."""
    if share is None:
        return "?"
    points = round(100 * share)
    return f"{'+' if points > 0 else MINUS if points < 0 else ''}{abs(points)}"
