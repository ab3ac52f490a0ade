"""What a run would take, in words for people."""

from __future__ import annotations

from dataclasses import dataclass

from alignment.estimates import Estimate
from annotator.presenters.words import money, time_left


@dataclass(frozen=True, kw_only=True)
class EstimateView:
    """What a run would take, in words; with a problem there is nothing else to show."""

    calls: str = ""
    tokens: str = ""
    cost: str = ""
    time: str = ""
    warning: str = ""
    problem: str = ""


def estimate_view(estimate: Estimate | None, warning: str) -> EstimateView:
    """The estimate in words."""
    if estimate is None:
        return EstimateView(problem="There is nothing to align yet.")
    if estimate.calls is None:
        return EstimateView(problem="This optimizer does not say how many calls it takes.")
    return EstimateView(
        calls=f"at most {estimate.calls:,}",
        tokens=f"about {estimate.tokens or 0:,}",
        cost=money(estimate.cost),
        time="known after the first job or run with these models"
        if estimate.seconds is None
        else f"{time_left(estimate.seconds)} at most",
        warning=warning,
    )
