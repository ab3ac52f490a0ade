"""The figures of a run: old against new, by chance or not, and beside the experts themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from annotator.presenters.words import (
    FigureView,
    change_view,
    count,
    figure_from,
    kappa_view,
    percent,
    share_view,
)


@dataclass(frozen=True, kw_only=True)
class ComparedFigure:
    """A figure of the old and of the new version on the same held-out traces."""

    name: str
    help: str
    before: FigureView
    after: FigureView


def compared_figures(figures: Mapping[str, Any]) -> list[ComparedFigure]:
    """The table of old against new."""
    before, after = _details(figures, "before"), _details(figures, "after")
    if not before and not after:
        return []

    def row(key: str, name: str, view: Any, help: str = "") -> ComparedFigure:
        return ComparedFigure(
            name=name,
            help=help,
            before=view(name, figure_from(before.get(key))),
            after=view(name, figure_from(after.get(key))),
        )

    rows = [
        row("accuracy", "Accuracy", share_view, "How often the verdict equals the experts' label."),
        row(
            "cohen_kappa",
            "Agreement beyond chance",
            kappa_view,
            "Cohen's kappa: 0 is what guessing would reach.",
        ),
        row(
            "balanced_accuracy",
            "Balanced accuracy",
            share_view,
            "Rare values count as much as frequent ones.",
        ),
    ]
    if "false_positive_rate" in before or "false_positive_rate" in after:
        rows += [
            row(
                "false_positive_rate",
                "Too kind",
                share_view,
                "Bad by the experts, good by the judge.",
            ),
            row(
                "false_negative_rate",
                "Too strict",
                share_view,
                "Good by the experts, bad by the judge.",
            ),
        ]
    old_sides, new_sides = _sides(figures, "before"), _sides(figures, "after")
    rows += [
        ComparedFigure(
            name=f"Recall of the {side.lower()} side",
            help="Of the traces that the experts put on this side, how many the judge does.",
            before=share_view("", figure_from(old_sides[side])),
            after=share_view("", figure_from(new_sides.get(side))),
        )
        for side in old_sides
        if old_sides[side].get("n")
    ]
    worth = _details(figures, "comparison")
    if "worth_before" in worth:
        rows.append(
            ComparedFigure(
                name="Worth of a verdict",
                help="A near miss earns a part, and each kind of error weighs what the policy says. This decides.",
                before=share_view("", figure_from(worth["worth_before"])),
                after=share_view("", figure_from(worth["worth_after"])),
            )
        )
    return rows


def _sides(figures: Mapping[str, Any], which: str) -> Mapping[str, Any]:
    sides = _details(figures, which).get("side_recall")
    return sides if isinstance(sides, Mapping) else {}


@dataclass(frozen=True, kw_only=True)
class ExpertsView:
    """Both versions beside single experts, where several answered."""

    sentence: str
    rows: tuple[tuple[str, FigureView], ...]
    corrected: str


def experts_view(figures: Mapping[str, Any]) -> ExpertsView | None:
    """How the judge agrees with one expert, and one expert with another; None where too few traces tell."""
    found = figures.get("experts") or {}
    if not found.get("sentence"):
        return None
    details = found["details"]
    rows = (
        ("Two experts", share_view("", figure_from(details["between_experts"]))),
        ("Old version and an expert", share_view("", figure_from(details["before"]))),
        ("New version and an expert", share_view("", figure_from(details["after"]))),
    )
    true_before, true_after = found.get("true_before"), found.get("true_after")
    corrected = ""
    if true_before is not None and true_after is not None:
        corrected = f"Accuracy corrected for wrong labels: old {percent(true_before)}, new {percent(true_after)}."
    return ExpertsView(sentence=found["sentence"], rows=rows, corrected=corrected)


def difference_view(figures: Mapping[str, Any]) -> FigureView | None:
    """How much the share of right verdicts changed; None without a comparison."""
    details = _details(figures, "comparison")
    if not details:
        return None
    return change_view("Difference", figure_from(details.get("difference")))


def chance_sentence(figures: Mapping[str, Any]) -> str:
    """How easily chance alone would make such a difference; empty without a comparison."""
    p_value = (figures.get("comparison") or {}).get("p_value")
    if p_value is None:
        return ""
    shown = "below 0.001" if p_value < 0.001 else f"{p_value:.3f}"
    return (
        f"If both were equally good, a difference as large would come about with a probability of {shown} "
        "(McNemar's exact test)."
    )


def method_sentence(figures: Mapping[str, Any]) -> str:
    """How the two versions were tested."""
    n = (figures.get("comparison") or figures.get("before") or {}).get("n") or 0
    if figures.get("is_cross_validated"):
        return (
            f"Tested by cross-validation on {count(n, 'trace')}: there are too few labels to set some aside for good, "
            "so each trace was judged by instructions made without it."
        )
    return f"Tested on {count(n, 'trace')} that the optimizer never saw."


def _details(figures: Mapping[str, Any], which: str) -> Mapping[str, Any]:
    return (figures.get(which) or {}).get("details") or {}
