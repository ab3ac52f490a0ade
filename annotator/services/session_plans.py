"""A session while it is planned: what its settings would draw and bring, and the draft that keeps it all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from alignment.readiness import Readiness, additions
from alignment.sampling import (
    LEAST_RANDOM_SHARE,
    Candidate,
    Sample,
    draw,
    expected_sides,
)
from alignment.sides import Side
from annotator.models import (
    FeedbackSession,
    Goal,
    GuidelineVersion,
    Judge,
    SessionJudge,
    User,
)
from annotator.services import session_states
from annotator.services import sessions as session_service
from annotator.services.candidate_facts import MOST_CANDIDATES, Fact, facts
from annotator.services.candidates import (
    DIMENSIONS,
    for_what_is_missing,
    labels_now,
    strata,
    words_of,
    yields,
)
from annotator.services.kept_figures import KeptFigures
from annotator.services.sessions import Pick

BY_HAND = "chosen by hand"
USUAL_TOTAL = 60
CALIBRATION_TOTAL = 12
MOST_TAGS = 8


@dataclass(frozen=True, kw_only=True)
class Mix:
    """What a session is to be filled with.

    Attributes:
        total: How many traces.
        random_share: The part of them drawn in proportion to the strata, from LEAST_RANDOM_SHARE to 1.
        by: The facts by which traces are told apart, as `candidates.DIMENSIONS`.
        weights: How much of the rest each stratum gets, in any unit; None is the same for each.
        with_reviewed: Whether traces with somebody's answer or a label are candidates.
        with_unjudged: Whether traces without a verdict are.
        with_taken: Whether traces in another session that is not over are.
        removed: Traces (pks) that the lead does not want.
        picked: Traces (pks) that the lead chose by hand; they come first.
        seed: Draws the same traces again.
    """

    total: int = USUAL_TOTAL
    random_share: float = 0.2
    by: tuple[str, ...] = ("verdict",)
    weights: Mapping[str, float] | None = None
    with_reviewed: bool = False
    with_unjudged: bool = False
    with_taken: bool = False
    removed: frozenset[int] = frozenset()
    picked: tuple[int, ...] = ()
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """What is kept with the draft, so that the builder opens on it as it was."""
        return {
            "total": self.total,
            "random_share": self.random_share,
            "by": list(self.by),
            "weights": None if self.weights is None else dict(self.weights),
            "with_reviewed": self.with_reviewed,
            "with_unjudged": self.with_unjudged,
            "with_taken": self.with_taken,
            "removed": sorted(self.removed),
            "picked": list(self.picked),
        }


@dataclass(frozen=True, kw_only=True)
class StratumOutlook:
    """A group of candidates: how many there are, and how many of them the mix is expected to take."""

    name: str
    size: int
    expected: float


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a mix draws, and what it is likely to bring.

    Attributes:
        picks: The traces, those chosen by hand first.
        strata: The groups, biggest first.
        facets: How many candidates each fact holds for: `verdict`, `side`, … to word to number.
        taken: How many candidates are left out because another session has them.
        left_out: How many are left out because they were reviewed, or have no verdict.
        before: How far the judge's labels are now; None for a judge whose values have no sides.
        after: The labels of each side that are likely then.
        missing_after: What is then still likely to be missing, in sentences.
        sample: What the sampler did.
        is_of_newest: Whether only the newest traces were looked at, MOST_CANDIDATES of them.
        taken_traces: The pks of picks that another session has too.
    """

    picks: tuple[Pick, ...]
    strata: tuple[StratumOutlook, ...]
    facets: Mapping[str, Mapping[str, int]]
    taken: int
    left_out: Mapping[str, int]
    before: Readiness | None
    after: Mapping[Side, float]
    missing_after: tuple[str, ...]
    sample: Sample
    is_of_newest: bool = False
    taken_traces: frozenset[int] = field(default=frozenset())


def outlook(judge: Judge, mix: Mix, *, but: FeedbackSession | None = None) -> Outlook:
    """What the mix draws now and what it would do to the judge's readiness. Nothing is written.

    Args:
        judge: The session's first judge, whose verdicts and labels tell the traces apart.
        mix: Its random share is raised to the least that is kept.
        but: The session that is being planned: its own traces count as free.
    """
    known = facts(judge, but=but)
    frame = [fact for fact in known if fits(fact, mix)]
    groups = strata(frame, mix.by, also_taken=mix.with_taken)
    by_hand = {fact.trace for fact in known} & set(mix.picked) - mix.removed
    free = {
        name: [fact for fact in group if fact.trace not in by_hand]
        for name, group in groups.items()
    }
    sample = draw(
        [
            Candidate(item=fact.trace, stratum=name)
            for name, group in free.items()
            for fact in group
        ],
        size=max(0, mix.total - len(by_hand)),
        weights=dict.fromkeys(free, 1.0) if mix.weights is None else mix.weights,
        random_share=max(LEAST_RANDOM_SHARE, mix.random_share),
        seed=mix.seed,
    )
    picks = (
        *(Pick(trace=pk, stratum=BY_HAND) for pk in mix.picked if pk in by_hand),
        *(
            Pick(trace=pick.item, stratum=pick.stratum, probability=pick.probability)
            for pick in sample.picks
            if pick.item not in mix.removed
        ),
    )
    before, after, missing_after = _readiness(judge, free, sample)
    return Outlook(
        picks=picks,
        strata=tuple(
            StratumOutlook(
                name=name,
                size=len(group),
                expected=sample.strata[name].expected if name in sample.strata else 0.0,
            )
            for name, group in groups.items()
        ),
        facets=facets(frame if mix.with_taken else [fact for fact in frame if not fact.is_taken]),
        taken=sum(fact.is_taken for fact in frame),
        left_out={
            "reviewed": sum(_is_reviewed(fact) for fact in known if not mix.with_reviewed),
            "unjudged": sum(fact.verdict is None for fact in known if not mix.with_unjudged),
        },
        before=before,
        after=after,
        missing_after=missing_after,
        sample=sample,
        is_of_newest=len(known) >= MOST_CANDIDATES,
        taken_traces=frozenset(fact.trace for fact in known if fact.is_taken),
    )


def fits(fact: Fact, mix: Mix) -> bool:
    """Whether a trace is a candidate at all; one that another session has is marked, and left out later."""
    if fact.verdict is None and not mix.with_unjudged:
        return False
    return mix.with_reviewed or not _is_reviewed(fact)


def facets(frame: Sequence[Fact]) -> dict[str, dict[str, int]]:
    """How many candidates each fact holds for, each fact for itself; the most frequent first."""
    found: dict[str, dict[str, int]] = {}
    for dimension in (*DIMENSIONS, *(f"tag:{tag}" for tag in tags_of(frame))):
        counts = Counter(words_of(frame, dimension))
        found[dimension] = dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))
    return found


def tags_of(frame: Sequence[Fact]) -> list[str]:
    """The tags that tell traces apart: those that most have, with more than one value and few enough to list."""
    values: dict[str, set[str]] = {}
    counts: Counter[str] = Counter()
    for fact in frame:
        for name, value in fact.tags.items():
            if not name.startswith("mlflow."):
                counts[name] += 1
                values.setdefault(name, set()).add(str(value))
    telling = [name for name, _ in counts.most_common() if 1 < len(values[name]) <= 20]
    return telling[:MOST_TAGS]


def suggested_mix(judge: Judge, goal: str, *, seed: int, but: FeedbackSession | None = None) -> Mix:
    """What a session with this goal is usually filled with.

    To balance means the fewest reviews that are expected to make the judge ready, with the least random share.
    """
    match goal:
        case Goal.BALANCE:
            return _balancing(judge, seed=seed, but=but)
        case Goal.DRIFT:
            return Mix(total=30, random_share=1.0, seed=seed, with_reviewed=True)
        case Goal.SETTLE:
            known = facts(judge, but=but)
            differing = sum(fact.disagrees and not fact.is_taken for fact in known)
            return Mix(
                total=max(1, min(USUAL_TOTAL, differing)),
                random_share=LEAST_RANDOM_SHARE,
                by=("disagreement",),
                weights={"disagreement": 100.0, "no disagreement": 0.0},
                with_reviewed=True,
                seed=seed,
            )
        case Goal.CALIBRATE:
            return Mix(total=CALIBRATION_TOTAL, seed=seed, with_reviewed=True)
    return Mix(seed=seed)


def save_plan(
    *,
    actor: User,
    session: FeedbackSession | None,
    judges: Sequence[Judge],
    guidelines: Mapping[int, GuidelineVersion],
    rooms: Mapping[User, int | None],
    picks: Sequence[Pick],
    selection: dict[str, Any],
    **settings: Any,
) -> FeedbackSession:
    """Keep a plan as a draft: a new one, or the one that is given.

    Args:
        guidelines: The guideline version that holds in the session, by the judge's pk; others take the one in force.
        selection: What is kept of how the traces were chosen.
        settings: As in `sessions.create_session`.

    Raises:
        SessionError: when a part of it cannot be; then nothing is kept.
    """
    with transaction.atomic():
        if session is None:
            session = session_service.create_session(
                actor=actor, experiment=judges[0].experiment, judges=judges, **settings
            )
        else:
            session_service.update_session(actor=actor, session=session, **settings)
            session_service.set_judges(actor=actor, session=session, judges=judges)
        for judge, guideline in guidelines.items():
            SessionJudge.objects.filter(session=session, judge=judge).update(guideline=guideline)
        session_service.set_reviewers(actor=actor, session=session, rooms=rooms)
        session_service.set_items(actor=actor, session=session, picks=picks, selection=selection)
    return session


def schedule_plan(
    *, actor: User, session: FeedbackSession, now: datetime, allow_short: bool = False
) -> FeedbackSession:
    """Schedule a draft; one without an opening time opens at once.

    Raises:
        SessionError: as `session_states.schedule_session`; then the draft stays as it was.
    """
    with transaction.atomic():
        if session.opens_at is None:
            session_service.update_session(actor=actor, session=session, opens_at=now)
        session_states.schedule_session(
            actor=actor, session=session, now=now, allow_short=allow_short
        )
    return session


def labels_missing(judge: Judge) -> list[str]:
    """What the judge lacks to be aligned, in sentences; empty when it is ready or its values have no two sides."""
    now = KeptFigures(judge).get(labels_now).readiness
    return now.missing if now is not None else []


def _balancing(judge: Judge, *, seed: int, but: FeedbackSession | None) -> Mix:
    if not judge.sides.is_decided:
        return Mix(seed=seed)
    proposal = for_what_is_missing(judge, seed=seed, but=but)
    if not proposal.missing or not proposal.sample.picks:
        return Mix(seed=seed)
    return Mix(
        total=len(proposal.sample.picks),
        random_share=LEAST_RANDOM_SHARE,
        weights={name: float(proposal.reviews.get(name, 0)) for name in proposal.sample.strata},
        seed=seed,
    )


def _readiness(
    judge: Judge, groups: Mapping[str, Sequence[Fact]], sample: Sample
) -> tuple[Readiness | None, dict[Side, float], tuple[str, ...]]:
    labels = KeptFigures(judge).get(labels_now)
    now = labels.readiness
    if now is None:
        return None, {}, ()
    mix = {name: each.expected for name, each in sample.strata.items()}
    gained = expected_sides(mix, yields(groups, labels))
    after = {side: now.by_side.get(side, 0) + gained[side] for side in Side}
    rounded = {side: round(many) for side, many in after.items()}
    return now, after, tuple(additions(rounded, judge.thresholds).sentences())


def _is_reviewed(fact: Fact) -> bool:
    return bool(fact.reviewed) or fact.has_label
