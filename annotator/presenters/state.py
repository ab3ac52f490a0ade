"""The state of a judge in one chip, and its readiness as a meter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from alignment.intervals import Figure
from alignment.labels import Reason, ReasonCode
from alignment.readiness import Readiness
from alignment.sides import Side
from annotator.models import Judge
from annotator.presenters.words import percent

LEAST_CHECKED = 10  # fewer traces say too little about a version
_MOST_LISTED = 8

_REASON_WORDS = {
    ReasonCode.NO_ANSWER: "Nobody could judge them",
    ReasonCode.TIE: "People are tied",
    ReasonCode.NOT_UNANIMOUS: "People disagree, and the rule wants all alike",
    ReasonCode.AWAITS_ADJUDICATION: "They wait for the person who settles",
    ReasonCode.SUPERSEDED: "They were answered under an earlier wording of the guideline",
    ReasonCode.NAME_DIFFERS: "The feedback bears another name",
    ReasonCode.INVALID_VALUE: "The feedback does not fit the judge's values",
    ReasonCode.NO_VERDICT: "The judge has given no verdict yet",
    ReasonCode.VERDICT_FAILED: "The judge's verdict failed",
}


@dataclass(frozen=True, kw_only=True)
class StateChip:
    """A judge's state in two words, with the reason as a sentence; `kind` names its colour."""

    kind: str
    text: str
    why: str


def judge_state(
    kappa: Figure, *, judge: Judge, checked_at: datetime | None, now: datetime, problem: str = ""
) -> StateChip:
    """Whether the version in use was checked against enough labels, lately, and did well.

    Args:
        kappa: Cohen's kappa of the current version with the labels.
        judge: Whose floor and staleness count.
        checked_at: When the newest of these labels was settled.
        now: The time to measure age from.
        problem: Why the last round of checks could not be made; empty where it could.
    """
    if kappa.n < LEAST_CHECKED:
        have = (
            "no trace has"
            if kappa.n == 0
            else "1 trace has"
            if kappa.n == 1
            else f"{kappa.n} traces have"
        )
        return StateChip(
            kind="unknown",
            text="not checked",
            why=f"So far {have} both a label and a verdict of this version; a check takes {LEAST_CHECKED}.",
        )
    if kappa.value is None:
        return StateChip(kind="unknown", text="not checked", why=kappa.why)
    if kappa.value < judge.agreement_floor:
        return StateChip(
            kind="bad",
            text="below floor",
            why=f"Its agreement with the experts is below the floor (κ below {judge.agreement_floor:g}).",
        )
    if checked_at is not None and now - checked_at > timedelta(days=judge.stale_after_days):
        return StateChip(
            kind="warn",
            text="stale",
            why=f"Nobody has checked it for more than {judge.stale_after_days} days.",
        )
    if problem:
        return StateChip(
            kind="warn", text="stale", why=f"The last round of checks could not be made: {problem}"
        )
    return StateChip(
        kind="good", text="good", why="Checked lately, and it agrees with the experts."
    )


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A part of the meter's bar, in per cent of its width."""

    side: str
    x: float
    width: float


@dataclass(frozen=True, kw_only=True)
class SideMeter:
    """One side's share against what is asked."""

    side: str
    name: str
    count: int
    share: str
    met: bool | None


@dataclass(frozen=True, kw_only=True)
class ExcludedGroup:
    """Traces left out for one reason."""

    code: str
    words: str
    total: int
    traces: tuple[str, ...]
    more: int
    example: str


@dataclass(frozen=True, kw_only=True)
class Meter:
    """Readiness as a page shows it."""

    usable: int
    minimum: int
    recommended: int
    scale: int
    segments: tuple[Segment, ...]
    minimum_at: float
    recommended_at: float
    sides: tuple[SideMeter, ...]
    asked_share: str
    is_ready: bool
    is_recommended: bool
    sentence: str
    missing: tuple[str, ...]
    advice: tuple[str, ...]
    excluded: tuple[ExcludedGroup, ...]
    waiting: int

    @property
    def first_session(self) -> int:
        """Of how many traces a first session is to be; 0 once there is any feedback, or while nothing waits for it."""
        return 0 if self.usable or self.excluded else min(self.waiting, self.minimum * 3 // 2)


_SIDE_NAMES = {Side.POSITIVE: "positive", Side.NEGATIVE: "negative", Side.NEUTRAL: "neutral"}


def meter(readiness: Readiness) -> Meter:
    """Readiness with the traces left out grouped by reason, those that only wait for a first review apart."""
    thresholds = readiness.thresholds
    scale = max(thresholds.recommended, thresholds.minimum, readiness.usable, 1)
    segments: list[Segment] = []
    at = 0.0
    for side in (Side.POSITIVE, Side.NEUTRAL, Side.NEGATIVE):
        width = round(100 * readiness.by_side.get(side, 0) / scale, 2)
        if width:
            segments.append(Segment(side=side.value.lower(), x=round(at, 2), width=width))
        at += width
    per_side = tuple(
        SideMeter(
            side=side.value.lower(),
            name=name,
            count=readiness.by_side.get(side, 0),
            share=percent(readiness.share(side)),
            met=None
            if side is Side.NEUTRAL
            else readiness.usable > 0 and readiness.share(side) >= thresholds.min_share - 1e-9,
        )
        for side, name in _SIDE_NAMES.items()
        if side is not Side.NEUTRAL or readiness.by_side.get(side, 0)
    )
    reviewed = [item for item in readiness.excluded if item[1].code is not ReasonCode.NO_FEEDBACK]
    return Meter(
        usable=readiness.usable,
        minimum=thresholds.minimum,
        recommended=thresholds.recommended,
        scale=scale,
        segments=tuple(segments),
        minimum_at=round(100 * thresholds.minimum / scale, 2),
        recommended_at=round(100 * thresholds.recommended / scale, 2),
        sides=per_side,
        asked_share=percent(thresholds.min_share),
        is_ready=readiness.is_ready,
        is_recommended=readiness.is_recommended,
        sentence=_readiness_sentence(readiness),
        missing=tuple(readiness.missing),
        advice=tuple(readiness.advice),
        excluded=_by_reason(reviewed),
        waiting=len(readiness.review_next),
    )


def _readiness_sentence(readiness: Readiness) -> str:
    if readiness.is_ready:
        return "Ready: the feedback suffices to align this judge."
    return "Not ready yet: " + "; ".join(readiness.missing) + "."


def _by_reason(excluded: Iterable[tuple[str, Reason]]) -> tuple[ExcludedGroup, ...]:
    by_code: dict[ReasonCode, list[tuple[str, Reason]]] = defaultdict(list)
    for trace_id, reason in excluded:
        by_code[reason.code].append((trace_id, reason))
    groups = (
        ExcludedGroup(
            code=code.value,
            words=_REASON_WORDS.get(code, items[0][1].text),
            total=len(items),
            traces=tuple(trace_id for trace_id, _ in items[:_MOST_LISTED]),
            more=max(0, len(items) - _MOST_LISTED),
            example=items[0][1].text,
        )
        for code, items in by_code.items()
    )
    return tuple(sorted(groups, key=lambda group: (-group.total, group.code)))
