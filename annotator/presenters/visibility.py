"""Agreement on first answers, apart by what people had seen, and people who answer otherwise than their colleagues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alignment.anchoring import SplitAgreement
from alignment.outliers import Outlier
from annotator.models import Visibility
from annotator.presenters.words import FigureView, change_view, kappa_view, share_view

MOST_TRACES = 5


@dataclass(frozen=True, kw_only=True)
class VisibilityRow:
    """The answers given in one way."""

    words: str
    answers: int
    with_judge: FigureView
    kappa: FigureView
    alpha: FigureView


@dataclass(frozen=True, kw_only=True)
class VisibilityView:
    """The table, and what seeing the verdict does as two figures."""

    rows: tuple[VisibilityRow, ...]
    anchoring: FigureView
    gave_in: FigureView


@dataclass(frozen=True, kw_only=True)
class OutlierView:
    """One person with the context that a lead needs to talk to them, and some of the traces."""

    person: str
    agreement: FigureView
    others: FigureView
    sentence: str
    traces: tuple[str, ...]
    more: int


def visibility_view(split: SplitAgreement) -> VisibilityView:
    """Agreement with the judge and among people, in a row for each way of answering."""
    return VisibilityView(
        rows=tuple(
            VisibilityRow(
                words=str(Visibility(visibility).label),
                answers=group.answers,
                with_judge=share_view("Same as the judge", group.with_judge),
                kappa=kappa_view("Beyond chance", group.kappa),
                alpha=kappa_view(
                    "Among people", group.alpha, symbol="\N{GREEK SMALL LETTER ALPHA}"
                ),
            )
            for visibility, group in split.groups.items()
        ),
        anchoring=change_view(
            "What seeing the verdict first adds",
            split.anchoring,
            help="By how much the share that equals the verdict is higher where it was shown before the answer.",
        ),
        gave_in=share_view(
            "Changed to the verdict afterwards",
            split.gave_in,
            help="Of the first answers that differed from a verdict shown after them.",
        ),
    )


def outlier_views(
    found: Sequence[Outlier], *, names: Mapping[str, str], trace_ids: Mapping[str, str]
) -> list[OutlierView]:
    """The people to talk to, by name.

    Args:
        found: Items are pks of traces.
        names: People's names by user name.
        trace_ids: Trace ids by pk, for the links.
    """
    views = []
    for each in found:
        traces = [trace_ids[item] for item in each.items if item in trace_ids]
        views.append(
            OutlierView(
                person=names.get(each.person, each.person),
                agreement=share_view("With colleagues", each.agreement),
                others=share_view("Colleagues among each other", each.others),
                sentence=f"Says “{each.pair[0]}” where others say “{each.pair[1]}”, {each.pair[2]} times."
                if each.pair
                else "",
                traces=tuple(traces[:MOST_TRACES]),
                more=max(0, len(each.items) - MOST_TRACES),
            )
        )
    return views
