"""Where people differ among each other, or from the judge: found, sorted by cost, and whether a cause is recorded."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import Q

from alignment.disagreement import Disagreement, Distance, disagreement_on, distance_between
from alignment.sides import Side
from annotator.models import (
    Assessment,
    DisagreementCause,
    FeedbackSession,
    Item,
    Judge,
    Label,
    Settlement,
    User,
)
from annotator.models.hidden import hidden_from
from annotator.models.people import Role
from annotator.services.awaited import awaited_traces
from annotator.services.kept_figures import KeptFigures
from judges.values import InvalidValueError, Value, ValueKind, value_key


@dataclass(kw_only=True)
class Opinions:
    """What is said of one trace, as `value_key`s.

    Attributes:
        answers: Everybody's valid answer by person; "" is "cannot judge".
        verdict: The verdict of the version in use, or of a judge outside where ours gave none; None without any.
        label: What the trace counts as; None where it counts as nothing.
        is_settled: Whether somebody settled the label by hand.
    """

    answers: dict[str, str] = field(default_factory=dict)
    verdict: str | None = None
    label: str | None = None
    is_settled: bool = False

    @property
    def situation(self) -> str:
        """A digest of answers and verdict: a cause recorded for another one is out of date."""
        said = json.dumps([sorted(self.answers.items()), self.verdict])
        return hashlib.sha256(said.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class DisagreementRow:
    """One trace on which the answers differ.

    Attributes:
        cause: Why, if that was recorded for just these answers and this verdict.
        is_settled: Whether somebody settled its label.
        has_label: Whether it counts as anything.
        is_awaited: Whether a running session still expects answers on it.
    """

    trace_pk: int
    disagreement: Disagreement
    cause: DisagreementCause | None
    is_settled: bool
    has_label: bool
    is_awaited: bool = False

    @property
    def is_undecided(self) -> bool:
        """Whether there is something left to decide: the label, or why the answers differ."""
        return self.cause is None or not self.has_label

    @property
    def is_open(self) -> bool:
        """Whether it is to be decided now: all answers that are expected are in."""
        return self.is_undecided and not self.is_waiting

    @property
    def is_waiting(self) -> bool:
        """Whether it is to be decided once more answers are in."""
        return self.is_undecided and self.is_awaited and not self.is_settled

    @property
    def key(self) -> tuple[int, int, int]:
        """Its place in the list: the costliest first, then the most disputed, then the newest trace."""
        return (*self.disagreement.rank, -self.trace_pk)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How the answers on one trace differ, whoever looks.

    Attributes:
        people: Who answered.
        situation: What a cause must have been recorded for to count.
        is_settled: Whether somebody settled its label.
        has_label: Whether it counts as anything.
    """

    trace_pk: int
    disagreement: Disagreement
    people: frozenset[str]
    situation: str
    is_settled: bool
    has_label: bool


def differences_in(judge: Judge) -> list[Difference]:
    """Every trace on which the answers under the judge's name differ; in four queries."""
    distance = distance_of(judge)
    return [
        Difference(
            trace_pk=trace,
            disagreement=found,
            people=frozenset(opinions.answers),
            situation=opinions.situation,
            is_settled=opinions.is_settled,
            has_label=opinions.label is not None,
        )
        for trace, opinions in opinions_of(judge).items()
        if (found := _between(opinions, distance)) is not None
    ]


def disagreements_in(
    judge: Judge,
    *,
    user: User,
    session: FeedbackSession | None = None,
    kept: KeptFigures | None = None,
) -> list[DisagreementRow]:
    """Every disagreement that the user may know of, the costliest first; in eight queries at most.

    Who neither leads the team nor settles the judge's labels knows only of traces answered by themselves. What somebody
    has yet to answer for in a session that hides verdicts is left out for everybody. With the judge's kept figures, only
    what depends on who looks is asked for.
    """
    differences = kept.get(differences_in) if kept else differences_in(judge)
    if session is not None:
        items = set(Item.objects.filter(session=session).values_list("trace_id", flat=True))
        differences = [each for each in differences if each.trace_pk in items]
    hidden = hidden_from(user).traces_of(judge.name)
    sees_all = judge.may_be_settled_by(user) or user.has_role(judge.experiment.team_id, Role.LEAD)
    causes = {cause.trace_id: cause for cause in DisagreementCause.objects.filter(judge=judge)}
    awaited = awaited_traces(judge)
    rows = []
    for each in differences:
        if each.trace_pk in hidden or not (sees_all or user.username in each.people):
            continue
        cause = causes.get(each.trace_pk)
        rows.append(
            DisagreementRow(
                trace_pk=each.trace_pk,
                disagreement=each.disagreement,
                cause=cause if cause and cause.situation == each.situation else None,
                is_settled=each.is_settled,
                has_label=each.has_label,
                is_awaited=each.trace_pk in awaited,
            )
        )
    return sorted(rows, key=lambda row: row.key)


def disagreement_of(judge: Judge, opinions: Opinions) -> Disagreement | None:
    """How the answers on one trace differ; None where they do not."""
    return _between(opinions, distance_of(judge))


def _between(opinions: Opinions, distance: Distance) -> Disagreement | None:
    return disagreement_on(
        answers=[key for key in opinions.answers.values() if key],
        verdict=opinions.verdict,
        label=opinions.label,
        is_settled=opinions.is_settled,
        distance=distance,
    )


def opinions_of(judge: Judge, *, traces: Iterable[int] | None = None) -> dict[int, Opinions]:
    """What is said under the judge's name on the traces that people answered; in four queries."""
    answers = Assessment.objects.human().for_judge(judge).filter(span_id="")
    verdicts = Assessment.objects.verdicts().filter(name=judge.name, span_id="", error_text="")
    verdicts = verdicts.filter(trace__in=answers.values("trace")).exclude(value_key="")
    verdicts = verdicts.filter(Q(judge_version=judge.current_version_id) | Q(judge_version=None))
    labels = Label.objects.filter(judge=judge)
    settled = Settlement.objects.in_force().filter(judge=judge)
    if traces is not None:
        wanted = list(traces)
        answers, labels = answers.filter(trace__in=wanted), labels.filter(trace__in=wanted)
        verdicts, settled = verdicts.filter(trace__in=wanted), settled.filter(trace__in=wanted)
    said: dict[int, Opinions] = defaultdict(Opinions)
    for trace, person, key in answers.order_by("created_at", "pk").values_list(
        "trace_id", "source_id", "value_key"
    ):
        said[trace].answers[person] = key
    # A version's verdict beats one from outside, whenever it came.
    of_version: set[int] = set()
    for trace, key, version in verdicts.order_by("created_at", "pk").values_list(
        "trace_id", "value_key", "judge_version_id"
    ):
        if version == judge.current_version_id:
            of_version.add(trace)
        elif trace in of_version:
            continue
        if trace in said:
            said[trace].verdict = key
    for trace, key in labels.values_list("trace_id", "value_key"):
        if trace in said:
            said[trace].label = key
    for trace in settled.values_list("trace_id", flat=True):
        if trace in said:
            said[trace].is_settled = True
    return dict(said)


def distance_of(judge: Judge) -> Distance:
    """How far two of the judge's values lie apart."""
    if judge.current_version is None:
        return distance_between(side_of=None, place_of=None)
    value_type, sides = judge.value_type, judge.sides
    values: dict[str, Value | None] = {value_key(value): value for value in value_type.choices}
    places = {key: place / max(1, len(values) - 1) for place, key in enumerate(values)}
    low, high = value_type.minimum, value_type.maximum

    def value_of(key: str) -> Value | None:
        if key not in values:
            try:
                values[key] = value_type.parse(key)
            except InvalidValueError:  # an answer from before the judge had other values
                values[key] = None
        return values[key]

    def side_of(key: str) -> Side:
        value = value_of(key)
        return Side.NEUTRAL if value is None else sides.side_of(value)

    def place_of(key: str) -> float | None:
        value = value_of(key)
        if isinstance(value, (int, float)) and low is not None and high is not None:
            return (value - low) / (high - low)
        return places.get(key)

    is_ordered = value_type.kind is ValueKind.CATEGORY and value_type.ordered
    is_bounded = low is not None and high is not None
    has_scale = is_ordered or (value_type.is_numeric and is_bounded)
    return distance_between(
        side_of=side_of if sides.is_decided else None, place_of=place_of if has_scale else None
    )
