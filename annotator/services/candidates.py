"""What a session can be filled with: facts about traces for one judge, their strata, and what fills a judge's gap.

The lead decides by which facts the traces are told apart; the sampling itself is `alignment.sampling`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from alignment.readiness import Readiness, readiness
from alignment.sampling import (
    LEAST_RANDOM_SHARE,
    Candidate,
    Sample,
    Yield,
    draw,
    expected_mix,
    expected_sides,
    fewest_reviews,
    side_chances,
)
from alignment.sides import Side
from annotator.models import (
    FeedbackSession,
    Judge,
)
from annotator.services.candidate_facts import Fact, facts
from annotator.services.kept_figures import KeptFigures
from annotator.services.readiness import labelled_traces
from judges.values import Value

NO_VERDICT = "no verdict"
# By what traces can be told apart; `tag:<name>` is a further one for each tag.
DIMENSIONS = ("verdict", "side", "disagreement", "review", "boundary")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A sample that is expected to make a judge ready.

    Attributes:
        sample: What was drawn; empty when nothing is missing.
        suffices: Whether the candidates suffice.
        missing: What is missing, in sentences; empty when the judge is ready.
        expected: How many labels of each side it is likely to bring.
        reviews: The fewest reviews of each stratum, before the random share was added; the weights of the sample.
    """

    sample: Sample
    suffices: bool
    missing: tuple[str, ...]
    expected: dict[Side, float]
    reviews: dict[str, int]


def stratum_of(fact: Fact, by: Sequence[str] = ("verdict",)) -> str:
    """The name of the group that a trace belongs to, when traces are told apart by these facts."""
    return " · ".join(_word(fact, dimension) for dimension in by)


def words_of(found: Iterable[Fact], dimension: str) -> Iterator[str]:
    """What each trace is told apart by, for one of the facts."""
    return (_word(fact, dimension) for fact in found)


def strata(
    found: Iterable[Fact], by: Sequence[str] = ("verdict",), *, also_taken: bool = False
) -> dict[str, list[Fact]]:
    """The traces by stratum, biggest first; those in other sessions are left out unless asked for."""
    groups: dict[str, list[Fact]] = defaultdict(list)
    for fact in found:
        if also_taken or not fact.is_taken:
            groups[stratum_of(fact, by)].append(fact)
    return dict(sorted(groups.items(), key=lambda group: (-len(group[1]), group[0])))


@dataclass(frozen=True, kw_only=True)
class LabelsNow:
    """How far a judge's labels are, and what they tell of those to come.

    Attributes:
        readiness: None where the values have no two sides to balance.
        became: How many traces with a verdict of one side got a label of which.
    """

    readiness: Readiness | None
    became: dict[Side, dict[Side, int]]


def labels_now(judge: Judge) -> LabelsNow:
    """The judge's labels as they are; ask `kept_figures` for it."""
    sides = judge.sides
    if not sides.is_decided:
        return LabelsNow(readiness=None, became={})
    usable, states = labelled_traces(judge)
    became: dict[Side, dict[Side, int]] = {side: dict.fromkeys(Side, 0) for side in Side}
    for each in usable:
        became[sides.side_of(each.verdict)][sides.side_of(each.value)] += 1
    return LabelsNow(
        readiness=readiness(states, sides=sides, thresholds=judge.thresholds), became=became
    )


def yields(groups: Mapping[str, Sequence[Fact]], now: LabelsNow) -> list[Yield]:
    """What reviewing each stratum is likely to bring, by what became of traces with such verdicts so far."""
    nothing = dict.fromkeys(Side, 0)
    chances = {
        side: side_chances(now.became.get(side, nothing) if side else nothing, verdict=side)
        for side in (*Side, None)
    }
    return [_yield(name, group, chances) for name, group in groups.items()]


def candidates(
    session: FeedbackSession,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    by: Sequence[str] = ("verdict",),
) -> list[Candidate]:
    """What the session can be filled with: traces in no other session, told apart for its first judge."""
    judge = _first_judge(session)
    groups = strata(facts(judge, since=since, until=until, but=session), by)
    return [
        Candidate(item=fact.trace, stratum=name) for name, group in groups.items() for fact in group
    ]


def verdicts_nobody_checked(session: FeedbackSession, *, until: datetime) -> list[int]:
    """Traces from before, of which the session's judge has said something and nobody else, in no other session."""
    found = facts(_first_judge(session), until=until, but=session)
    return [
        fact.trace
        for fact in found
        if fact.verdict is not None and not fact.reviewed and not fact.is_taken
    ]


def drawn(
    frame: Sequence[Candidate],
    *,
    size: int,
    random_share: float = LEAST_RANDOM_SHARE,
    weights: Mapping[str, float] | None = None,
    seed: int,
) -> Sample:
    """A sample of candidates; beside the random share every stratum gets as much as the others unless weights say else."""
    names = {candidate.stratum for candidate in frame}
    return draw(
        frame,
        size=size,
        weights=dict.fromkeys(names, 1.0) if weights is None else weights,
        random_share=max(LEAST_RANDOM_SHARE, random_share),
        seed=seed,
    )


def for_what_is_missing(
    judge: Judge,
    *,
    seed: int,
    random_share: float = LEAST_RANDOM_SHARE,
    but: FeedbackSession | None = None,
) -> Proposal:
    """The fewest reviews that are expected to make the judge ready, a random share of them kept.

    Traces without a verdict or with a label already are no candidates: reviewing them adds nothing to the set.
    """
    labels = KeptFigures(judge).get(labels_now)
    now = labels.readiness or readiness([], sides=judge.sides, thresholds=judge.thresholds)
    frame = [
        fact
        for fact in facts(judge, but=but)
        if not fact.has_label and fact.verdict is not None and not fact.reviewed
    ]
    groups = strata(frame)
    gains = yields(groups, labels)
    fewest = fewest_reviews(now.by_side, gains, judge.thresholds)
    sizes = {name: len(group) for name, group in groups.items()}
    size = _with_random_share(fewest.reviews, sizes, gains, random_share)
    sample = draw(
        [
            Candidate(item=fact.trace, stratum=name)
            for name, group in groups.items()
            for fact in group
        ],
        size=size if now.missing else 0,
        weights=fewest.reviews,
        random_share=random_share,
        seed=seed,
    )
    mix = {name: each.expected for name, each in sample.strata.items()}
    return Proposal(
        sample=sample,
        suffices=fewest.suffices,
        missing=tuple(now.missing),
        expected=expected_sides(mix, gains),
        reviews=dict(fewest.reviews),
    )


def _with_random_share(
    reviews: Mapping[str, int],
    sizes: Mapping[str, int],
    gains: Sequence[Yield],
    random_share: float,
) -> int:
    """How many to draw so that, the random share included, as much is expected of each side as from the reviews alone."""
    wanted = expected_sides(reviews, gains)
    size, most = sum(reviews.values()), sum(sizes.values())
    while size < most:
        mix = expected_mix(sizes, size=size, weights=reviews, random_share=random_share)
        found = expected_sides(mix, gains)
        if all(
            found[side] >= wanted[side] - 0.5
            for side in (Side.POSITIVE, Side.NEGATIVE)
            if wanted[side] >= 1
        ):
            break
        size += 1
    return size


def _yield(
    name: str, group: Sequence[Fact], chances: Mapping[Side | None, Mapping[Side, float]]
) -> Yield:
    new = [fact for fact in group if not fact.has_label]
    many = max(1, len(group))
    return Yield(
        name=name,
        size=len(group),
        positive=sum(chances[fact.side][Side.POSITIVE] for fact in new) / many,
        negative=sum(chances[fact.side][Side.NEGATIVE] for fact in new) / many,
    )


def _word(fact: Fact, dimension: str) -> str:
    if dimension == "verdict":
        return NO_VERDICT if fact.verdict is None else _text(fact.verdict)
    if dimension == "side":
        return NO_VERDICT if fact.side is None else fact.side.value.lower()
    if dimension == "disagreement":
        return "disagreement" if fact.disagrees else "no disagreement"
    if dimension == "review":
        return "reviewed" if fact.reviewed else "never reviewed"
    if dimension == "boundary":
        return "near the boundary" if fact.is_near else "clear"
    name = dimension.removeprefix("tag:")
    return f"{name}: {fact.tags.get(name, 'none')}"[:60]


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)[:60]


def _first_judge(session: FeedbackSession) -> Judge:
    first = session.session_judges.select_related(
        "judge__current_version", "judge__experiment"
    ).first()
    if first is None:
        raise ValueError(f"Session {session.pk} has no judge.")
    return first.judge
