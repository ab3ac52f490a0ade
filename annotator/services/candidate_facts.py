"""What is known of the newest traces of a judge's experiment, for choosing which of them to review."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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
from judges.values import Value, ValueKind, ValueType, value_key

MOST_CANDIDATES = 10_000
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
