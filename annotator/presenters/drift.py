"""Rounds of checks on a control chart, and the same in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from alignment.drift import ControlPoint
from annotator.models import FeedbackSession
from annotator.presenters.plot import Plot, PlotPoint, line_plot
from annotator.presenters.words import percent
from annotator.services.drift_rounds import CheckedRound

TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, kw_only=True)
class RoundRow:
    """One round in words; `is_out` marks one that chance does not explain."""

    session: FeedbackSession
    at: datetime
    version: int
    agreement: str
    interval: str
    expected: str
    is_out: bool
    where: str


def chart_plot(points: Sequence[ControlPoint]) -> Plot | None:
    """The rounds from left to right with their 95 % intervals; those out of control stand out. None of none."""
    if not points:
        return None
    return line_plot(
        [
            PlotPoint(
                label=f"v{point.round.version}",
                value=point.round.total.share,
                low=point.round.total.interval[0],
                high=point.round.total.interval[1],
                title=f"{point.round.at:%d %B %Y}, version {point.round.version}: {point.round.total.hits} of {point.round.total.n}",
                strong=bool(point.broken),
            )
            for point in points
        ],
        ticks=TICKS,
    )


def round_rows(rounds: Sequence[CheckedRound], points: Sequence[ControlPoint]) -> list[RoundRow]:
    """The rounds, newest first."""
    by_round = {id(point.round): point for point in points}
    rows = []
    for each in reversed(rounds):
        total, point = each.round.total, by_round.get(id(each.round))
        low, high = total.interval
        rows.append(
            RoundRow(
                session=each.session,
                at=each.round.at,
                version=each.round.version,
                agreement=f"{total.hits} of {total.n}",
                interval=f"{percent(low)} to {percent(high)}",
                expected=_expected(point),
                is_out=bool(point and point.broken),
                where=_where(point),
            )
        )
    return rows


def _expected(point: ControlPoint | None) -> str:
    if point is None:
        return "too few answers"
    if point.low is None:
        return "nothing known before"
    return f"at least {percent(point.low)}"


def _where(point: ControlPoint | None) -> str:
    sides = [side.lower() for side in (point.broken if point else ()) if side is not None]
    return f"on {' and '.join(sides)} traces" if sides else ""
