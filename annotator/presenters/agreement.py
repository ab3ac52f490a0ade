"""Agreement of a judge with the experts, and of the experts among each other, as the judge page shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotator.presenters.words import FigureView, figure_from, kappa_view, share_view, value_text
from judges.values import Value, ValueType, value_key

_HEAT_STEPS = 4

_ALPHA_HELP = {
    "nominal": "Every difference counts the same.",
    "ordinal": "A near miss on the ordered values counts less than a far one.",
    "interval": "Differences count by how far the numbers lie apart.",
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of the confusion matrix: how often, where the traces are, and how strongly to colour it (0 to 4)."""

    count: int
    href: str
    heat: int
    agrees: bool
    title: str


@dataclass(frozen=True, kw_only=True)
class ConfusionRow:
    """The traces whose label is `label`, by verdict."""

    label: str
    cells: tuple[Cell, ...]
    total: int


@dataclass(frozen=True, kw_only=True)
class ConfusionTable:
    """Labels against verdicts; rows are people, columns the judge."""

    columns: tuple[str, ...]
    rows: tuple[ConfusionRow, ...]


def confusion_table(
    confusion: Mapping[str, Any] | None,
    *,
    value_type: ValueType,
    link: Callable[[str, str], str],
) -> ConfusionTable | None:
    """The confusion matrix as a table whose cells open their traces.

    Args:
        confusion: `{"labels": [values], "matrix": [[counts]]}`, rows people, columns the judge; None where there are
            too many values for a table.
        value_type: The judge's type, for the words.
        link: Takes the keys of label and verdict to the address of those traces.
    """
    if not confusion or not confusion["labels"]:
        return None
    values: list[Value] = confusion["labels"]
    matrix: list[list[int]] = confusion["matrix"]
    most = max((count for row in matrix for count in row), default=0)

    def cell(label: Value, verdict: Value, count: int) -> Cell:
        people, judge = value_text(label, value_type), value_text(verdict, value_type)
        return Cell(
            count=count,
            href=link(value_key(label), value_key(verdict)) if count else "",
            heat=-(-count * _HEAT_STEPS // most) if most else 0,
            agrees=value_key(label) == value_key(verdict),
            title=f"{count} where the experts say {people} and the judge says {judge}",
        )

    return ConfusionTable(
        columns=tuple(value_text(value, value_type) for value in values),
        rows=tuple(
            ConfusionRow(
                label=value_text(label, value_type),
                cells=tuple(
                    cell(label, verdict, count)
                    for verdict, count in zip(values, counts, strict=True)
                ),
                total=sum(counts),
            )
            for label, counts in zip(values, matrix, strict=True)
        ),
    )


def judge_figures(agreement: Mapping[str, Any]) -> list[FigureView]:
    """The figures of a judge against the labels, the one that matters most first."""
    details = agreement.get("details") or {}

    def share(key: str, name: str, help: str) -> FigureView:
        return share_view(name, figure_from(details.get(key)), help=help)

    figures = [
        kappa_view(
            "Agreement beyond chance",
            figure_from(details.get("cohen_kappa")),
            help="Cohen's kappa: 1 is perfect, 0 is what guessing would reach.",
        ),
    ]
    if "weighted_kappa" in details:
        figures.append(
            kappa_view(
                "Agreement on the scale",
                figure_from(details["weighted_kappa"]),
                symbol="weighted κ",
                help="The same, but a near miss counts less than a far one.",
            )
        )
    figures += [
        share("accuracy", "Accuracy", "How often the verdict equals the experts' label."),
        share(
            "balanced_accuracy",
            "Balanced accuracy",
            "The same, with rare values counting as much as frequent ones.",
        ),
    ]
    if "false_positive_rate" in details:
        figures += [
            share(
                "false_positive_rate",
                "Too kind",
                "Of what the experts find bad, how much the judge calls good.",
            ),
            share(
                "false_negative_rate",
                "Too strict",
                "Of what the experts find good, how much the judge calls bad.",
            ),
        ]
    return figures


def human_figures(humans: Mapping[str, Any], *, levels: Sequence[str]) -> list[FigureView]:
    """The figures of the experts among each other; alpha only on the levels that suit the judge's values."""
    details = humans.get("details") or {}
    alphas = details.get("krippendorff_alpha") or {}
    figures = [
        kappa_view(
            f"Krippendorff's alpha, {level}",
            figure_from(alphas.get(level)),
            symbol="\N{GREEK SMALL LETTER ALPHA}",
            help=_ALPHA_HELP[level],
        )
        for level in levels
    ]
    figures += [
        kappa_view(
            "Fleiss' kappa",
            figure_from(details.get("fleiss_kappa")),
            help="Over the traces that most people answered.",
        ),
        share_view(
            "Same answer",
            figure_from(details.get("percent_agreement")),
            help="How often two experts who looked at the same trace gave the same answer.",
        ),
    ]
    return figures


def pair_figures(humans: Mapping[str, Any]) -> list[FigureView]:
    """Cohen's kappa of every two experts who share a trace."""
    pairs = (humans.get("details") or {}).get("pairwise_cohen_kappa") or {}
    return [
        kappa_view(pair.replace("|", " and "), figure_from(figure))
        for pair, figure in sorted(pairs.items())
    ]


def alpha_levels(value_type: ValueType) -> tuple[str, ...]:
    """The levels of Krippendorff's alpha that mean something for a judge's values."""
    if value_type.is_numeric:
        return ("nominal", "ordinal", "interval")
    return ("nominal", "ordinal") if value_type.ordered else ("nominal",)
