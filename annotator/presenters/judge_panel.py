"""What a reviewer may see of the judge beside the form, before and after the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from annotator.models import Assessment, Label, RationaleRule, Visibility
from annotator.presenters.focus import Step
from annotator.presenters.words import value_text


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What is shown of the judge. `kind` is nothing, locked, hidden, verdict or explanation.

    Attributes:
        verdict: The judge's verdict in force, where it may be seen.
        asks: Whether the person is asked to keep or change the answer.
        needs_reason: Whether a reason is owed because the answer differs from the verdict.
        comparison: One sentence on how the answer compares.
        label: For a warm-up item: what was settled; with the reasons people gave, and when to choose it.
    """

    kind: str
    verdict: Assessment | None = None
    asks: bool = False
    needs_reason: bool = False
    comparison: str = ""
    label: Any = None
    reasons: tuple[str, ...] = ()
    choose_when: str = ""


def panel_of(
    step: Step,
    *,
    verdict: Assessment | None = None,
    label: Label | None = None,
    reasons: Sequence[str] = (),
) -> Panel:
    """What of the judge this person may see now.

    Args:
        verdict: The verdict in force; only handed over where `sees_verdict` allows it.
        label: What was settled on a warm-up item that was answered.
        reasons: What people wrote on it.
    """
    if step.is_warm_up:
        return _explanation(step, label, reasons) if step.state == "done" else Panel(kind="nothing")
    if step.about:
        return Panel(kind="nothing")
    if not sees_verdict(step):
        return Panel(kind="hidden" if step.visibility == Visibility.BLIND else "locked")
    mine = step.mine
    asks = step.visibility == Visibility.REVEALED and mine is not None and not step.read_only
    if mine is None or verdict is None or verdict.error_text:
        return Panel(kind="verdict", verdict=verdict, asks=asks)
    agrees = mine.value_key == verdict.value_key
    rule = step.assignment.item.session.rationale_rule
    return Panel(
        kind="verdict",
        verdict=verdict,
        asks=asks,
        needs_reason=asks
        and not agrees
        and not mine.rationale
        and rule == RationaleRule.ON_DISAGREEMENT,
        comparison=f"You said {value_text(mine.value)}: the judge agrees."
        if agrees
        else f"You said {value_text(mine.value)}: the judge sees it differently.",
    )


def sees_verdict(step: Step) -> bool:
    """Whether the verdict may be shown: always in OPEN, in REVEALED once there is an answer, never in BLIND."""
    if step.is_warm_up:
        return False
    if step.visibility == Visibility.OPEN:
        return True
    return step.visibility == Visibility.REVEALED and step.mine is not None


def _explanation(step: Step, label: Label | None, reasons: Sequence[str]) -> Panel:
    if label is None:
        return Panel(kind="explanation", comparison="It is not settled any more; go on.")
    mine = step.draft.get("value", "")
    choose_when = step.guideline.choose_when if step.guideline else {}
    return Panel(
        kind="explanation",
        label=label.value,
        reasons=tuple(reasons),
        comparison="Right: settled as" if mine == label.value_key else "It was settled as",
        choose_when=str(choose_when.get(label.value_key) or ""),
    )
