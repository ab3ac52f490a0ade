"""How far the people in a session agree, worked out as their answers come, and how that grew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from django.core.cache import cache

from alignment.agreement import krippendorff_alpha
from alignment.intervals import Figure
from annotator.models import Judge
from annotator.services.session_board import Answer, Board
from judges.values import Value, ValueKind

MOST_POINTS = 8
_KEPT_SECONDS = 3_600


@dataclass(frozen=True, kw_only=True)
class GrowthPoint:
    """Krippendorff's alpha after the first `answers` answers."""

    answers: int
    alpha: Figure


@dataclass(frozen=True, kw_only=True)
class SessionAgreement:
    """Agreement of the first answers under one judge's name, the newest point being the figure now."""

    judge: Judge
    points: tuple[GrowthPoint, ...]

    @property
    def now(self) -> Figure:
        """The figure over all answers that are in."""
        return self.points[-1].alpha


def session_agreement(board: Board) -> list[SessionAgreement]:
    """For each judge of the session. The same answers are worked out once, however many boards look at them."""
    return [SessionAgreement(judge=judge, points=_points(board, judge)) for judge in board.judges]


def _points(board: Board, judge: Judge) -> tuple[GrowthPoint, ...]:
    answers = [
        answer
        for answer in board.answers
        if answer.judge == judge.name and answer.value is not None
    ]
    facts = repr([(answer.trace, answer.person, answer.value) for answer in answers])
    digest = sha256(facts.encode(errors="surrogatepass")).hexdigest()
    key = f"session-agreement:{board.session.pk}:{judge.pk}:{judge.current_version_id}:{digest}"
    points: tuple[GrowthPoint, ...] | None = cache.get(key)
    if points is None:
        points = tuple(
            GrowthPoint(answers=upto, alpha=alpha_of(judge, answers[:upto]))
            for upto in checkpoints(len(answers))
        )
        cache.set(key, points, _KEPT_SECONDS)
    return points


def alpha_of(judge: Judge, answers: Sequence[Answer]) -> Figure:
    """Krippendorff's alpha of these answers; categories in an order count by their ranks, other values as names."""
    ratings: dict[str, dict[str, Value]] = defaultdict(dict)
    for answer in answers:
        if answer.value is not None:
            ratings[str(answer.trace)][answer.person] = answer.value
    value_type = judge.value_type
    if value_type.kind is ValueKind.CATEGORY and value_type.ordered:
        return krippendorff_alpha(ratings, "ordinal", order=value_type.choices)
    return krippendorff_alpha(ratings, "interval" if value_type.is_numeric else "nominal")


def checkpoints(total: int) -> list[int]:
    """After how many answers to look: at most `MOST_POINTS` times, evenly spread, the last time after all of them."""
    if total <= MOST_POINTS:
        return list(range(1, total + 1)) or [0]
    return [round(total * step / MOST_POINTS) for step in range(1, MOST_POINTS + 1)]
