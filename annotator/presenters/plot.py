"""Where the marks of a plot go. The template draws them as SVG, with a table of the same numbers beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from annotator.presenters.words import MINUS

WIDTH, HEIGHT = 360, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 36, 12, 12, 28
_MOST_LABELS = 9


@dataclass(frozen=True, kw_only=True)
class PlotPoint:
    """What to plot: a value with its interval, under a short label; a value of None leaves a gap."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    title: str = ""
    strong: bool = False


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A point on the plot, in SVG units; `low_y` and `high_y` are the ends of its interval."""

    x: float
    y: float
    low_y: float | None
    high_y: float | None
    title: str
    strong: bool


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A line of the grid, or a label under the plot."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Everything the template draws."""

    marks: tuple[Mark, ...]
    line: str
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def line_plot(points: Sequence[PlotPoint], *, ticks: Sequence[float]) -> Plot:
    """Place the points from left to right.

    Args:
        points: In order; those without a value take their place on the axis and get no mark.
        ticks: Values on the vertical axis, rising; the first and the last bound the plot.
    """
    bottom, top = ticks[0], ticks[-1]

    def x_of(position: int) -> float:
        if len(points) == 1:
            return round((_LEFT + WIDTH - _RIGHT) / 2, 1)
        inner = WIDTH - _LEFT - _RIGHT - 24
        return round(_LEFT + 12 + inner * position / (len(points) - 1), 1)

    def y_of(value: float) -> float:
        share = (min(max(value, bottom), top) - bottom) / (top - bottom)
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)

    marks = tuple(
        Mark(
            x=x_of(position),
            y=y_of(point.value),
            low_y=None if point.low is None else y_of(point.low),
            high_y=None if point.high is None else y_of(point.high),
            title=point.title,
            strong=point.strong,
        )
        for position, point in enumerate(points)
        if point.value is not None
    )
    every = -(-len(points) // _MOST_LABELS) or 1
    return Plot(
        marks=marks,
        line=" ".join(f"{mark.x},{mark.y}" for mark in marks) if len(marks) > 1 else "",
        y_ticks=tuple(Tick(at=y_of(tick), text=f"{tick:g}".replace("-", MINUS)) for tick in ticks),
        x_ticks=tuple(
            Tick(at=x_of(position), text=point.label)
            for position, point in enumerate(points)
            if position % every == 0
        ),
    )


def ticks_for(values: Sequence[float | None]) -> tuple[float, ...]:
    """The vertical axis of figures that end at 1: from 0, or from -1 when one of them is negative."""
    lowest = min((value for value in values if value is not None), default=0.0)
    return (-1.0, -0.5, 0.0, 0.5, 1.0) if lowest < 0 else (0.0, 0.25, 0.5, 0.75, 1.0)
