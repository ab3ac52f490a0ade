"""What a session can be filled with: facts about traces for one judge, their strata, and what fills a judge's gap.

The lead decides by which facts the traces are told apart; the sampling itself is `alignment.sampling`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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
    RUNNING,
    Assessment,
    FeedbackSession,
    Item,
    Judge,
    Label,
    SessionStatus,
    Trace,
)
from annotator.services.kept_figures import KeptFigures
from annotator.services.readiness import labelled_traces
from judges.values import Value, ValueKind, ValueType, value_key

MOST_CANDIDATES = 10_000
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
    """The newest traces of the judge's experiment, at most MOST_CANDIDATES, newest first; in five queries.

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
    newest = traces.newest_first().values_list("pk", "tags", "requested_at")
    rows = list(newest[:MOST_CANDIDATES])
    # Of what was said, only what can be about these traces is read.
    about: dict[str, Any] = {"trace__experiment": judge.experiment_id}
    if len(rows) == MOST_CANDIDATES:
        about["trace__requested_at__gte"] = rows[-1][2]
    verdicts, differing = _verdicts(judge, about)
    answers: dict[int, set[str]] = defaultdict(set)
    people: Counter[int] = Counter()
    for trace, key in (
        Assessment.objects.human()
        .for_judge(judge)
        .filter(**about, span_id="")
        .values_list("trace_id", "value_key")
    ):
        people[trace] += 1
        answers[trace].add(key)
    labelled = set(Label.objects.filter(judge=judge).values_list("trace_id", flat=True))
    taken = _taken(judge, but)
    place = _places(judge)
    found = []
    for trace, tags, _ in rows:
        verdict, key = verdicts.get(trace, (None, ""))
        side, is_near = place(verdict) if verdict is not None else (None, False)
        said = answers.get(trace)
        found.append(
            Fact(
                trace=trace,
                verdict=verdict,
                side=side,
                reviewed=people[trace] if said else 0,
                has_label=trace in labelled,
                disagrees=len((said | {key}) - {""}) > 1 if said else False,
                is_near=is_near or trace in differing,
                is_taken=trace in taken,
                tags=tags if isinstance(tags, dict) else {},
            )
        )
    return found


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


def _places(judge: Judge) -> Callable[[Value], tuple[Side, bool]]:
    """A value's side, and whether it is near another one; of many values few differ, and each of those is looked at once."""
    known: dict[str, tuple[Side, bool]] = {}
    sides, value_type = judge.sides, judge.value_type

    def place(value: Value) -> tuple[Side, bool]:
        key = value_key(value)
        if key not in known:
            known[key] = sides.side_of(value), is_near_boundary(value, judge, value_type)
        return known[key]

    return place


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


def _verdicts(
    judge: Judge, about: Mapping[str, Any]
) -> tuple[dict[int, tuple[Value, str]], set[int]]:
    """The verdict in force on each trace, with its key; and the traces on which versions said different things.

    All versions' verdicts are read at once, which is cheaper than to have the database look for each one's rivals.
    """
    rows = (
        Assessment.objects.verdicts()
        .filter(**about, name=judge.name, span_id="")
        .order_by("created_at", "pk")
        .values_list("trace_id", "value", "value_key", "judge_version_id", "error_text")
    )
    current: dict[int, tuple[Value | None, str, bool]] = {}
    others: dict[int, tuple[Value | None, str, bool]] = {}
    said_besides: dict[int, set[str]] = defaultdict(set)
    for trace, value, key, version, error in rows:
        if version == judge.current_version_id:
            current[trace] = value, key, not error
            continue
        others[trace] = value, key, not error
        if not error:
            said_besides[trace].add(key)
    in_force = {
        trace: (value, key)
        for trace, (value, key, is_given) in {**others, **current}.items()
        if is_given and value is not None
    }
    differing = {
        trace
        for trace, keys in said_besides.items()
        if trace in current and current[trace][2] and keys - {current[trace][1]}
    }
    return in_force, differing


def _taken(judge: Judge, but: FeedbackSession | None) -> set[int]:
    items = Item.objects.filter(
        session__experiment=judge.experiment_id,
        session__status__in=(SessionStatus.SCHEDULED, *RUNNING),
        is_warm_up=False,
    )
    if but is not None:
        items = items.exclude(session=but)
    return set(items.values_list("trace_id", flat=True))
