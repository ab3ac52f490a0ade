"""What a session can be filled with: facts about traces for one judge, their strata, and what fills a judge's gap.

The lead decides by which facts the traces are told apart; the sampling itself is `alignment.sampling`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef

from alignment.readiness import readiness
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
    RUNNING,
    Assessment,
    FeedbackSession,
    Item,
    Judge,
    Label,
    SessionStatus,
    Trace,
)
from annotator.models.search import verdicts_in_force
from annotator.services.readiness import labelled_traces
from judges.values import Value, ValueKind, ValueType

MOST_CANDIDATES = 20_000
NO_VERDICT = "no verdict"
# By what traces can be told apart; `tag:<name>` is a further one for each tag.
DIMENSIONS = ("verdict", "side", "disagreement", "review", "boundary")
_NEAR = 0.1


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What is known of a trace, for one judge.

    Attributes:
        trace: Its pk.
        verdict: The verdict in force; None without any.
        side: The side it is on; None without a verdict.
        reviewed: How many people have answered.
        has_label: Whether it teaches already.
        disagrees: Whether people differ among each other or from the verdict.
        is_near: Whether the verdict is next to one of another side, or versions of the judge differ.
        is_taken: Whether it is in another session that is planned or runs.
        tags: Its tags.
    """

    trace: int
    verdict: Value | None
    side: Side | None
    reviewed: int
    has_label: bool
    disagrees: bool
    is_near: bool
    is_taken: bool
    tags: Mapping[str, Any]


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


def facts(
    judge: Judge,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    but: FeedbackSession | None = None,
) -> list[Fact]:
    """The newest traces of the judge's experiment, at most MOST_CANDIDATES, newest first; in eight queries.

    Args:
        judge: For whom the facts are.
        since: Only traces that arrived here at that time or later.
        until: Only traces that arrived before.
        but: The session that is being filled: its own items count as free.
    """
    traces = Trace.objects.filter(experiment=judge.experiment_id)
    if since is not None:
        traces = traces.filter(created_at__gte=since)
    if until is not None:
        traces = traces.filter(created_at__lt=until)
    rows = list(traces.newest_first().values_list("pk", "tags")[:MOST_CANDIDATES])
    verdicts: dict[int, Value] = {
        trace: value
        for trace, value in verdicts_in_force(judge)
        .filter(trace__experiment=judge.experiment_id, error_text="")
        .values_list("trace_id", "value")
        if value is not None
    }
    answers: dict[int, set[str]] = defaultdict(set)
    people: Counter[int] = Counter()
    for trace, key in (
        Assessment.objects.human()
        .for_judge(judge)
        .filter(span_id="")
        .values_list("trace_id", "value_key")
    ):
        people[trace] += 1
        answers[trace].add(key)
    for trace, key in (
        verdicts_in_force(judge)
        .filter(trace__experiment=judge.experiment_id, trace__in=list(answers)[:MOST_CANDIDATES])
        .values_list("trace_id", "value_key")
    ):
        answers[trace].add(key)
    labelled = set(Label.objects.filter(judge=judge).values_list("trace_id", flat=True))
    differing = _versions_differ(judge)
    taken = _taken(judge, but)
    sides, value_type = judge.sides, judge.value_type
    return [
        Fact(
            trace=trace,
            verdict=verdicts.get(trace),
            side=sides.side_of(verdicts[trace]) if trace in verdicts else None,
            reviewed=people[trace],
            has_label=trace in labelled,
            disagrees=len(answers[trace] - {""}) > 1 if trace in answers else False,
            is_near=trace in differing
            or (trace in verdicts and is_near_boundary(verdicts[trace], judge, value_type)),
            is_taken=trace in taken,
            tags=tags if isinstance(tags, dict) else {},
        )
        for trace, tags in rows
    ]


def stratum_of(fact: Fact, by: Sequence[str] = ("verdict",)) -> str:
    """The name of the group that a trace belongs to, when traces are told apart by these facts."""
    return " · ".join(_word(fact, dimension) for dimension in by)


def strata(
    found: Iterable[Fact], by: Sequence[str] = ("verdict",), *, also_taken: bool = False
) -> dict[str, list[Fact]]:
    """The traces by stratum, biggest first; those in other sessions are left out unless asked for."""
    groups: dict[str, list[Fact]] = defaultdict(list)
    for fact in found:
        if also_taken or not fact.is_taken:
            groups[stratum_of(fact, by)].append(fact)
    return dict(sorted(groups.items(), key=lambda group: (-len(group[1]), group[0])))


def yields(judge: Judge, groups: Mapping[str, Sequence[Fact]]) -> list[Yield]:
    """What reviewing each stratum is likely to bring, by what became of traces with such verdicts so far."""
    usable, _ = labelled_traces(judge)
    seen: dict[Side | None, Counter[Side]] = defaultdict(Counter)
    for each in usable:
        seen[judge.side_of(each.verdict)][judge.side_of(each.value)] += 1
    chances = {side: side_chances(seen[side], verdict=side) for side in (*Side, None)}
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
    _, states = labelled_traces(judge)
    now = readiness(states, sides=judge.sides, thresholds=judge.thresholds)
    frame = [
        fact
        for fact in facts(judge, but=but)
        if not fact.has_label and fact.verdict is not None and not fact.reviewed
    ]
    groups = strata(frame)
    gains = yields(judge, groups)
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


def is_near_boundary(value: Value, judge: Judge, value_type: ValueType) -> bool:
    """Whether a little more or less would put the value on another side."""
    own = judge.side_of(value)
    if value_type.kind is ValueKind.CATEGORY and value_type.ordered:
        choices = list(value_type.choices)
        if value not in choices:
            return False
        at = choices.index(value)
        neighbours = choices[max(0, at - 1) : at] + choices[at + 1 : at + 2]
        return any(judge.side_of(each) is not own for each in neighbours)
    if value_type.is_numeric and isinstance(value, (int, float)):
        low, high = value_type.minimum, value_type.maximum
        if low is None or high is None:
            return False
        step = 1 if value_type.kind is ValueKind.INTEGER else (high - low) * _NEAR
        return any(judge.side_of(value + way) is not own for way in (-step, step))
    return False


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


def _versions_differ(judge: Judge) -> set[int]:
    """Traces of which two versions of the judge said different things."""
    verdicts = Assessment.objects.verdicts().for_judge(judge).filter(span_id="", error_text="")
    others = Assessment.objects.verdicts().filter(
        trace=OuterRef("trace"), name=judge.name, span_id="", error_text=""
    )
    current = verdicts.filter(judge_version=judge.current_version_id)
    differing = current.filter(Exists(others.exclude(value_key=OuterRef("value_key"))))
    return set(differing.values_list("trace_id", flat=True))


def _taken(judge: Judge, but: FeedbackSession | None) -> set[int]:
    items = Item.objects.filter(
        session__experiment=judge.experiment_id,
        session__status__in=(SessionStatus.SCHEDULED, *RUNNING),
        is_warm_up=False,
    )
    if but is not None:
        items = items.exclude(session=but)
    return set(items.values_list("trace_id", flat=True))
