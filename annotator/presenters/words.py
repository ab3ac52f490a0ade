"""Figures, times and money in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alignment.agreement import strength_of
from alignment.intervals import Figure
from judges.answers import clean_text
from judges.values import Value, ValueKind, ValueType, value_key

UNKNOWN_PRICE = "unknown price"
MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"


def figure_from(data: Figure | Mapping[str, Any] | None) -> Figure:
    """A figure from its stored form; one that was never worked out says so."""
    if isinstance(data, Figure):
        return data
    if not data:
        return Figure(value=None, n=0, why="This was not worked out.")
    return Figure(
        value=data.get("value"),
        low=data.get("low"),
        high=data.get("high"),
        n=data.get("n") or 0,
        why=data.get("why") or "",
    )


@dataclass(frozen=True, kw_only=True)
class FigureView:
    """One figure as a page shows it.

    Attributes:
        name: What it is.
        text: The figure with interval and n, or “not defined”.
        words: The figure as one word (“substantial”), where there is one.
        why: Why it, or its interval, is missing.
        help: One sentence for people who do not know the figure.
    """

    name: str
    text: str
    words: str = ""
    why: str = ""
    help: str = ""

    @property
    def sentence(self) -> str:
        """The figure led by its word: `substantial (κ 0.71, 0.58 to 0.82 …)`."""
        if not self.words:
            return self.text
        return f"{self.words} ({self.text})"


def kappa_view(name: str, figure: Figure, *, symbol: str = "κ", help: str = "") -> FigureView:
    """A figure of agreement beyond chance, from -1 to 1, with its word."""
    if figure.value is None:
        return FigureView(name=name, text="not defined", why=figure.why, help=help)
    inside = f"{symbol} {number(figure.value)}, {_interval(figure, number)}n = {figure.n}"
    return FigureView(
        name=name, text=inside, words=kappa_word(figure.value), why=figure.why, help=help
    )


def share_view(name: str, figure: Figure, *, help: str = "") -> FigureView:
    """A share from 0 to 1, shown in per cent."""
    if figure.value is None:
        return FigureView(name=name, text="not defined", why=figure.why, help=help)
    text = f"{percent(figure.value)} ({_interval(figure, percent)}n = {figure.n})"
    return FigureView(name=name, text=text, why=figure.why, help=help)


def change_view(name: str, figure: Figure, *, help: str = "") -> FigureView:
    """A difference of two shares, shown in percentage points with its sign."""
    if figure.value is None:
        return FigureView(name=name, text="not defined", why=figure.why, help=help)
    text = f"{points(figure.value)} ({_interval(figure, points)}n = {figure.n})"
    return FigureView(name=name, text=text, why=figure.why, help=help)


def kappa_word(value: float) -> str:
    """The word for a kappa, of the figure as it is printed, so that word and number never disagree."""
    return strength_of(round(value, 2))


def number(value: float) -> str:
    """Two decimals and a real minus sign."""
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text.replace("-", MINUS)


def percent(value: float) -> str:
    """A share from 0 to 1 in whole per cent; `< 1 %` and `> 99 %` where rounding would say none or all."""
    if 0 < value < 0.005:
        return "< 1 %"
    if 0.995 <= value < 1:
        return "> 99 %"
    return f"{round(value * 100)} %".replace("-", MINUS)


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    rounded = round(value * 100)
    return f"{'+' if rounded > 0 else MINUS if rounded < 0 else '±'}{abs(rounded)} points"


def duration(seconds: float | None) -> str:
    """`12 s`, `3 min 20 s`, `2 h 5 min`; empty for None."""
    if seconds is None:
        return ""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def time_left(seconds: float | None) -> str:
    """An estimate as people say one: `about 3 minutes`; it claims no precision that it does not have."""
    if seconds is None:
        return "not known yet"
    if seconds < 10:
        return "a few seconds"
    if seconds < 55:
        return f"about {round(seconds / 10) * 10} seconds"
    if seconds < 90:
        return "about a minute"
    if seconds < 3600:
        return f"about {round(seconds / 60)} minutes"
    hours = seconds / 3600
    return "about an hour" if hours < 1.5 else f"about {round(hours)} hours"


def money(cost: float | None) -> str:
    """US dollars, with enough digits to tell small sums from nothing."""
    if cost is None:
        return UNKNOWN_PRICE
    if cost == 0:
        return "$0.00"
    if cost < 0.0001:
        return "< $0.0001"
    return f"${cost:.4f}" if cost < 0.1 else f"${cost:,.2f}"


def count(value: int | None, singular: str, plural: str = "") -> str:
    """`1 trace`, `2,400 traces`."""
    noun = singular if value == 1 else plural or f"{singular}s"
    return f"{value or 0:,} {noun}"


def value_text(value: Value | None, value_type: ValueType | None = None) -> str:
    """A value as people read it: yes and no for a yes/no judge."""
    if value is None:
        return "no verdict"
    is_boolean = isinstance(value, bool) or (value_type and value_type.kind is ValueKind.BOOLEAN)
    key = clean_text(value_key(value))  # an expectation may be any JSON
    return {"true": "yes", "false": "no"}.get(key, key) if is_boolean else key


def _interval(figure: Figure, write: Any) -> str:
    if figure.low is None or figure.high is None:
        return ""
    low, high = write(figure.low), write(figure.high)
    if write is points:
        return f"{low.removesuffix(' points')} to {high}, "
    if write is percent and not low.startswith("<"):
        low = low.removesuffix(" %")
    # A dash between two numbers, one of them negative, reads as another minus.
    return f"{low} to {high}, " if MINUS in low + high else f"{low}{DASH}{high}, "


DEMO_NOTICE = (
    "This is the demo model: a small offline program that applies the criteria written in the instructions. "
    "It is not a language model."
)


def is_demo_model(model: str) -> bool:
    """Whether a model URI names the offline demo model."""
    return model.startswith(("demo:/", "demo/"))
