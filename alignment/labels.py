"""Labels: the one human answer on a trace that teaches a judge, made from everybody's answers.

People's answers are votes. One person has one vote, the newest; a rule settles the votes into a label or says why
it cannot. A label's value lies on a side (positive, negative or neutral), the class it counts for in balance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import partial

from alignment.sides import Side, Sides
from alignment.split import groups_of
from judges.entities import Expectation, Feedback, SourceType, Trace
from judges.values import InvalidValueError, Value, ValueType, value_key

__all__ = [
    "Example",
    "Examples",
    "LabelRule",
    "Reason",
    "ReasonCode",
    "Settled",
    "Side",
    "Sides",
    "Unsettled",
    "Vote",
    "examples_from_traces",
    "settle",
    "without_feedback",
]


class LabelRule(StrEnum):
    """How several people's answers become one label."""

    SINGLE = "SINGLE"
    UNANIMOUS = "UNANIMOUS"
    MAJORITY = "MAJORITY"
    ADJUDICATED = "ADJUDICATED"


class ReasonCode(StrEnum):
    """Why a trace teaches nothing, for filters and counts; the sentence beside it is for people."""

    NO_FEEDBACK = "NO_FEEDBACK"
    NO_ANSWER = "NO_ANSWER"
    TIE = "TIE"
    NOT_UNANIMOUS = "NOT_UNANIMOUS"
    AWAITS_ADJUDICATION = "AWAITS_ADJUDICATION"
    SUPERSEDED = "SUPERSEDED"
    NAME_DIFFERS = "NAME_DIFFERS"
    INVALID_VALUE = "INVALID_VALUE"
    INVALID_TRACE = "INVALID_TRACE"
    NO_VERDICT = "NO_VERDICT"
    VERDICT_FAILED = "VERDICT_FAILED"


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a trace teaches nothing: a code, and one sentence for people."""

    code: ReasonCode
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class Vote:
    """One answer of one person.

    Attributes:
        source_id: Who gave it.
        value: The answer; None for an error or “cannot judge”, which never vote but do replace an older answer.
        rationale: The reason, in the giver's words.
        created_at: When; of two answers without a time, the later in the sequence is the newer.
        is_settlement: Whether somebody settled the label with it: no vote, but the decision over all votes.
        is_superseded: Whether the guideline words its value differently now, so that it counts no more.
    """

    source_id: str
    value: Value | None
    rationale: str = ""
    created_at: datetime | None = None
    is_settlement: bool = False
    is_superseded: bool = False


@dataclass(frozen=True, kw_only=True)
class Settled:
    """A label.

    Attributes:
        value: The label's value.
        rule: The rule that settled it.
        votes: How many people gave each value, by `value_key`.
        by: Who gave the winning value, oldest answer first; of a settlement, who settled it.
        rationale: Their reasons, one a line.
        settled_at: When somebody settled it; None for a label that the votes make by themselves.
    """

    value: Value
    rule: LabelRule
    votes: dict[str, int]
    by: tuple[str, ...]
    rationale: str = ""
    settled_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Unsettled:
    """No label, and why."""

    reason: Reason


@dataclass(frozen=True, kw_only=True)
class Example:
    """A trace with what people say of it and what the judge said: what an alignment learns from.

    Attributes:
        trace: The trace without any feedback; expectations stay, because a judge may ask for them.
        value: The label.
        rationale: The people's reasons; empty when they gave none.
        side: The side of the label.
        verdict_value: What the judge said when the examples were frozen; None when its verdict failed.
        group: Examples of one group (a conversation, equal inputs) never lie on both sides of a split.
        votes: What each person said, by who said it; empty when that is not known.
    """

    trace: Trace
    value: Value
    rationale: str = ""
    side: Side
    verdict_value: Value | None
    group: str
    votes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Examples:
    """The usable examples of a set of traces, and every trace left out with its reason."""

    usable: tuple[Example, ...]
    excluded: tuple[tuple[str, Reason], ...] = field(default=())


def settle(
    votes: Iterable[Vote], rule: LabelRule, adjudicator: str | None = None
) -> Settled | Unsettled:
    """The label that the votes make under a rule. One person has one vote, the newest.

    A settlement is the label under every rule; the people who answered with its value lend it their reasons when it
    gives none.

    Args:
        votes: Everybody's valid answers, corrections included, oldest first, and the settlement if there is one.
        rule: SINGLE and MAJORITY take the value most people gave (SINGLE is content with one person),
            UNANIMOUS wants all alike, ADJUDICATED takes the adjudicator's answer alone.
        adjudicator: The source id of the one who decides under ADJUDICATED.
    """
    everything = list(votes)
    given = _newest_per_person(vote for vote in everything if not vote.is_settlement)
    newest = [vote for vote in given if not vote.is_superseded]
    answers = [vote for vote in newest if vote.value is not None]
    settlements = [vote for vote in everything if vote.is_settlement]
    for decision in settlements:
        if not decision.is_superseded and decision.value is not None:
            return _by_decision(decision, answers)
    if not given and not settlements:
        return _unsettled(ReasonCode.NO_FEEDBACK, "Nobody has given feedback yet.")
    if not newest:
        return _unsettled(
            ReasonCode.SUPERSEDED,
            "It was answered under an earlier wording of the guideline; it has to be looked at again.",
        )
    if rule is LabelRule.ADJUDICATED:
        deciding = [vote for vote in answers if vote.source_id == adjudicator]
        if not deciding:
            who = adjudicator or "an adjudicator"
            return _unsettled(
                ReasonCode.AWAITS_ADJUDICATION,
                f"It waits for {who}, who settles this judge's labels.",
            )
        return _label(deciding, answers, rule)
    if not answers:
        return _unsettled(
            ReasonCode.NO_ANSWER,
            "Everybody who looked at it said that it cannot be judged, or made an error.",
        )
    counts = Counter(value_key(vote.value) for vote in answers)
    ranked = counts.most_common()
    if rule is LabelRule.UNANIMOUS and len(ranked) > 1:
        return _unsettled(ReasonCode.NOT_UNANIMOUS, f"People disagree ({_tally(ranked)}).")
    if len(ranked) > 1 and ranked[0][1] == ranked[1][1]:
        return _unsettled(ReasonCode.TIE, f"People are tied ({_tally(ranked)}).")
    winners = [vote for vote in answers if value_key(vote.value) == ranked[0][0]]
    return _label(winners, answers, rule)


def examples_from_traces(
    judge_name: str,
    traces: Iterable[Trace],
    rule: LabelRule,
    sides: Sides,
    *,
    value_type: ValueType | None = None,
    adjudicator: str | None = None,
) -> Examples:
    """What a set of traces with feedback teaches the judge of that name, and why the rest does not.

    The name must match exactly; a name that differs only in case or blanks is reported, not taken.

    Args:
        judge_name: The judge's name.
        traces: Traces with verdicts and human feedback among their assessments.
        rule: How several people's answers become one label.
        sides: The side of each value.
        value_type: The judge's declared type; human answers that are none of its values are reported.
        adjudicator: The source id of the one who decides under ADJUDICATED.
    """
    usable: list[Example] = []
    excluded: list[tuple[str, Reason]] = []
    unique = list({trace.trace_id: trace for trace in traces}.values())
    groups = groups_of(unique)
    settled = partial(settle, rule=rule, adjudicator=adjudicator)
    for trace in unique:
        found = _example(judge_name, trace, settled, sides, value_type, groups[trace.trace_id])
        if isinstance(found, Example):
            usable.append(found)
        else:
            excluded.append((trace.trace_id, found))
    return Examples(usable=tuple(usable), excluded=tuple(excluded))


def _example(
    judge_name: str,
    trace: Trace,
    settled: Callable[[Sequence[Vote]], Settled | Unsettled],
    sides: Sides,
    value_type: ValueType | None,
    group: str,
) -> Example | Reason:
    feedback = [
        item
        for item in trace.search_assessments(type="feedback")
        if isinstance(item, Feedback) and not item.span_id
    ]
    human = [item for item in feedback if item.source.source_type is SourceType.HUMAN]
    named = [item for item in human if item.name == judge_name]
    if not named:
        return _no_feedback(judge_name, human)
    votes = _newest_per_person(
        Vote(
            source_id=item.source.source_id,
            value=None if item.error else item.value,
            rationale=item.rationale,
        )
        for item in named
    )
    if value_type is not None:
        try:
            votes = [
                vote if vote.value is None else replace(vote, value=value_type.parse(vote.value))
                for vote in votes
            ]
        except InvalidValueError as error:
            return Reason(
                code=ReasonCode.INVALID_VALUE, text=f"Its feedback does not fit the judge: {error}."
            )
    label = settled(votes)
    if isinstance(label, Unsettled):
        return label.reason
    verdicts = [
        item
        for item in feedback
        if item.name == judge_name and item.source.source_type is SourceType.LLM_JUDGE
    ]
    if not verdicts:
        return Reason(code=ReasonCode.NO_VERDICT, text="The judge has given no verdict on it yet.")
    verdict = verdicts[-1]
    if verdict.error or verdict.value is None:
        return Reason(
            code=ReasonCode.VERDICT_FAILED, text="The judge's verdict on it failed; run it again."
        )
    return Example(
        trace=without_feedback(trace),
        value=label.value,
        rationale=label.rationale,
        side=sides.side_of(label.value),
        verdict_value=verdict.value,
        group=group,
        votes={vote.source_id: vote.value for vote in votes if vote.value is not None},
    )


def without_feedback(trace: Trace) -> Trace:
    """The trace without what people or judges said of it; expectations are part of the case and stay."""
    return replace(
        trace, assessments=tuple(a for a in trace.assessments if isinstance(a, Expectation))
    )


def _no_feedback(judge_name: str, human: Sequence[Feedback]) -> Reason:
    near = sorted({item.name for item in human if _folded(item.name) == _folded(judge_name)})
    if near:
        return Reason(
            code=ReasonCode.NAME_DIFFERS,
            text=f"Its feedback is named “{near[0]}”, the judge “{judge_name}”; names must match exactly.",
        )
    return Reason(
        code=ReasonCode.NO_FEEDBACK, text=f"Nobody has given feedback named “{judge_name}” yet."
    )


def _folded(name: str) -> str:
    return "".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _newest_per_person(votes: Iterable[Vote]) -> list[Vote]:
    dated = [
        (vote.created_at.timestamp() if vote.created_at else float("-inf"), position, vote)
        for position, vote in enumerate(votes)
    ]
    newest: dict[str, Vote] = {}
    for _, _, vote in sorted(dated, key=lambda item: item[:2]):
        newest.pop(vote.source_id, None)  # keeps the order of the answers that count
        newest[vote.source_id] = vote
    return list(newest.values())


def _label(winners: Sequence[Vote], answers: Sequence[Vote], rule: LabelRule) -> Settled:
    value = winners[-1].value
    assert value is not None  # noqa: S101 - winners are chosen among answers, which have values
    reasons = dict.fromkeys(vote.rationale.strip() for vote in winners if vote.rationale.strip())
    return Settled(
        value=value,
        rule=rule,
        votes=dict(Counter(value_key(vote.value) for vote in answers)),
        by=tuple(vote.source_id for vote in winners),
        rationale="\n".join(reasons),
    )


def _by_decision(decision: Vote, answers: Sequence[Vote]) -> Settled:
    agreeing = [vote for vote in answers if value_key(vote.value) == value_key(decision.value)]
    label = _label(
        [decision] if decision.rationale.strip() else [*agreeing, decision],
        answers,
        LabelRule.ADJUDICATED,
    )
    return replace(label, by=(decision.source_id,), settled_at=decision.created_at)


def _unsettled(code: ReasonCode, text: str) -> Unsettled:
    return Unsettled(reason=Reason(code=code, text=text))


def _tally(ranked: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{count} {key}" for key, count in ranked)
