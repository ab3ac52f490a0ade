"""The rows of the trace list: what judges and people said of each trace, as far as the reader may know it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alignment.sides import Side
from annotator.models import Assessment, Judge, Kind, Source, Trace, User
from annotator.models.hidden import hidden_from
from annotator.models.people import Role

MOST_CHIPS = 3
_COLUMNS = (
    "pk", "trace_id", "name", "source_type", "source_id", "value", "value_key", "declined_reason", "error_text",
    "judge_version_id", "judge_version__number", "created_at",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A verdict in a row; `is_old` when a version gave it that is not the current one."""

    judge: str
    value: Any
    side: Side | None
    error: str
    is_old: bool
    version: int | None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The reader's own feedback."""

    judge: str
    value: Any
    side: Side | None
    declined: bool


@dataclass(frozen=True, kw_only=True)
class TraceRow:
    """A trace in the list.

    Attributes:
        verdicts: One a judge, at most three of them.
        more_verdicts: How many more there are.
        mine: What the reader answered.
        others: How many other people have answered.
        disagrees: Whether people differ among each other or from a current verdict, where the reader may know.
    """

    trace: Trace
    verdicts: tuple[Verdict, ...]
    more_verdicts: int
    mine: tuple[Answer, ...]
    others: int
    disagrees: bool


def rows_of(traces: Sequence[Trace], judges: Iterable[Judge], user: User) -> list[TraceRow]:
    """The rows of a page, with two queries however many there are."""
    hidden = hidden_from(user, traces=[trace.pk for trace in traces])
    said: dict[int, list[dict[str, Any]]] = defaultdict(list)
    assessments = Assessment.objects.valid().filter(
        trace__in=[trace.pk for trace in traces], kind=Kind.FEEDBACK, span_id=""
    )
    for row in assessments.order_by("created_at", "pk").values(*_COLUMNS):
        if (row["trace_id"], row["name"]) not in hidden or row["source_id"] == user.username:
            said[row["trace_id"]].append(row)
    by_experiment: dict[int, dict[str, Judge]] = defaultdict(dict)
    for judge in judges:
        by_experiment[judge.experiment_id][judge.name] = judge
    return [
        _row(
            trace,
            said[trace.pk],
            by_experiment[trace.experiment_id],
            user,
            sees_all=user.has_role(trace.experiment.team_id, Role.LEAD),
        )
        for trace in traces
    ]


def _row(
    trace: Trace,
    said: Sequence[dict[str, Any]],
    judges: Mapping[str, Judge],
    user: User,
    *,
    sees_all: bool,
) -> TraceRow:
    verdicts = _verdicts(said, judges)
    human = [row for row in said if row["source_type"] == Source.HUMAN]
    mine = [row for row in human if row["source_id"] == user.username]
    answered = {row["name"] for row in mine}
    return TraceRow(
        trace=trace,
        verdicts=tuple(verdicts[:MOST_CHIPS]),
        more_verdicts=max(0, len(verdicts) - MOST_CHIPS),
        mine=tuple(
            Answer(
                judge=row["name"],
                value=row["value"],
                side=_side(judges.get(row["name"]), row["value"]),
                declined=bool(row["declined_reason"]),
            )
            for row in mine
        ),
        others=len({row["source_id"] for row in human} - {user.username}),
        disagrees=any(
            _differ(name, said, judges)
            for name in {row["name"] for row in human}
            if sees_all or name in answered
        ),
    )


def _verdicts(said: Sequence[dict[str, Any]], judges: Mapping[str, Judge]) -> list[Verdict]:
    in_force: dict[str, dict[str, Any]] = {}
    for (
        row
    ) in said:  # oldest first, so that the newest stays, and the current version's in any case
        if row["source_type"] != Source.LLM_JUDGE or row["name"] not in judges:
            continue
        current = judges[row["name"]].current_version_id
        earlier = in_force.get(row["name"])
        if (
            earlier is None
            or row["judge_version_id"] == current
            or earlier["judge_version_id"] != current
        ):
            in_force[row["name"]] = row
    return [
        Verdict(
            judge=name,
            value=row["value"],
            side=_side(judges[name], row["value"]),
            error=row["error_text"],
            is_old=row["judge_version_id"] != judges[name].current_version_id,
            version=row["judge_version__number"],
        )
        for name, row in sorted(in_force.items())
    ]


def _differ(name: str, said: Sequence[dict[str, Any]], judges: Mapping[str, Judge]) -> bool:
    keys = set()
    for row in said:
        if row["name"] != name or not row["value_key"]:
            continue
        is_current = name in judges and row["judge_version_id"] == judges[name].current_version_id
        if row["source_type"] == Source.HUMAN or (row["judge_version_id"] and is_current):
            keys.add(row["value_key"])
    return len(keys) > 1


def _side(judge: Judge | None, value: Any) -> Side | None:
    if judge is None or judge.current_version is None or value is None:
        return None
    return judge.side_of(value)
