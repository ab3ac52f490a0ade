"""Beside a trace, one card a judge: its verdicts, everybody's feedback as far as the reader may see it, the label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alignment.labels import Unsettled
from annotator.forms import FeedbackForm
from annotator.models import Assessment, Judge, Kind, Label, Settlement, Source, Trace, User
from annotator.models.hidden import hidden_from
from annotator.models.people import Role
from annotator.presenters.guidelines import ValueWords, value_words
from annotator.services.labels import settle_votes, votes_by_trace
from judges.values import value_key

_KEYS_ON_CARDS = 9


@dataclass(frozen=True, kw_only=True)
class Option:
    """An answer to choose: its value, when to choose it, and the key that does so (0 for none)."""

    key: str
    value: Any
    choose_when: str
    shortcut: int


@dataclass(frozen=True, kw_only=True)
class LabelLine:
    """What the trace counts as for the judge, or why it counts as nothing.

    Attributes:
        won: How many people gave the label's value.
        votes: How many people gave any.
        settled_by: Who gave the value; of a label settled by hand, who settled it.
        settled_at: When somebody settled it by hand; None for a label that the rule makes.
    """

    value: Any = None
    won: int = 0
    votes: int = 0
    settled_by: str = ""
    settled_at: datetime | None = None
    why_none: str = ""


@dataclass(kw_only=True)
class JudgeCard:
    """Everything about one judge on one trace that the reader may see.

    Attributes:
        verdict: The verdict in force: the current version's, else the newest; None without any.
        older_verdicts: The others, newest first.
        mine: The reader's feedback in force.
        others: Other people's feedback in force; empty while `hidden` counts it.
        hidden: How many others have answered whom the reader sees after answering.
        is_blind: Whether verdicts are hidden too, until the reader has answered in a session.
        history: Corrected and deleted feedback, newest first.
        restorable: The pks in `history` that the reader may put back in force.
        deletable: The pks in force that the reader may delete.
        label: What the trace teaches; None while others' answers are hidden.
        may_settle: Whether the reader may settle the label.
        form: The form to answer with, bound when it came back.
        problem: Why the last action failed.
        saved: What was just done, as a sentence.
    """

    judge: Judge
    options: tuple[Option, ...]
    form: FeedbackForm
    verdict: Assessment | None
    older_verdicts: tuple[Assessment, ...]
    mine: Assessment | None
    others: tuple[Assessment, ...]
    hidden: int
    history: tuple[Assessment, ...]
    restorable: frozenset[int]
    deletable: frozenset[int]
    label: LabelLine | None
    may_settle: bool = False
    is_blind: bool = False
    problem: str = ""
    saved: str = ""

    @property
    def guideline_values(self) -> list[ValueWords]:
        """What the guideline in force says of each value."""
        guideline = self.judge.guideline
        return value_words(self.judge, guideline) if guideline else []


def judge_cards(trace: Trace, user: User) -> tuple[list[JudgeCard], list[Assessment]]:
    """A card for each judge of the trace's experiment, by name, and every assessment that is on none of them."""
    judges = list(
        Judge.objects.filter(experiment=trace.experiment_id)
        .select_related("current_version", "guideline", "experiment")
        .order_by("name", "pk")
    )
    rows = list(
        Assessment.objects.filter(trace=trace)
        .select_related("author", "judge_version")
        .order_by("-created_at", "-pk")
    )
    labels = {label.judge_id: label for label in Label.objects.filter(trace=trace)}
    settlements = {
        each.judge_id: each
        for each in Settlement.objects.in_force().filter(trace=trace).select_related("settled_by")
    }
    sees_all = user.has_role(trace.experiment.team_id, Role.LEAD)
    is_admin = user.has_role(trace.experiment.team_id, Role.ADMIN)
    hidden = hidden_from(user, traces=[trace.pk])
    cards = [
        _card(
            judge,
            [row for row in rows if _is_on_card(row, judge)],
            labels.get(judge.pk),
            settlements.get(judge.pk),
            user,
            sees_all=sees_all,
            is_admin=is_admin,
            is_blind=(trace.pk, judge.name) in hidden,
        )
        for judge in judges
        if judge.current_version is not None
    ]
    names = {card.judge.name for card in cards}
    rest = [
        row
        for row in rows
        if row.valid
        and not any(_is_on_card(row, card.judge) for card in cards)
        and (sees_all or row.name not in names or row.source_type != Source.HUMAN)
        and ((trace.pk, row.name) not in hidden or row.author_id == user.pk)
    ]
    return cards, rest


def card_to_open(cards: Sequence[JudgeCard], wanted: str) -> int | None:
    """The pk of the judge whose card is open: the one asked for, else the first that waits for the reader."""
    for card in cards:
        if str(card.judge.pk) == wanted:
            return card.judge.pk
    waiting = [card for card in cards if card.mine is None]
    judged = [card for card in waiting if card.verdict is not None]
    best = next(iter([*judged, *waiting, *cards]), None)
    return best.judge.pk if best else None


def _is_on_card(row: Assessment, judge: Judge) -> bool:
    return (
        row.name == judge.name
        and row.kind == Kind.FEEDBACK
        and not row.span_id
        and row.source_type in (Source.HUMAN, Source.LLM_JUDGE)
    )


def _card(
    judge: Judge,
    rows: Sequence[Assessment],
    label: Label | None,
    settlement: Settlement | None,
    user: User,
    *,
    sees_all: bool,
    is_admin: bool,
    is_blind: bool,
) -> JudgeCard:
    verdicts = [row for row in rows if row.source_type == Source.LLM_JUDGE and not is_blind]
    human = [row for row in rows if row.source_type == Source.HUMAN]
    valid = [row for row in human if row.valid]
    mine = next((row for row in valid if row.source_id == user.username), None)
    others = [row for row in valid if row.source_id != user.username]
    may_see = (sees_all or mine is not None) and not is_blind
    verdict = _in_force(verdicts, judge)
    return JudgeCard(
        judge=judge,
        options=options_of(judge),
        form=FeedbackForm(judge=judge),
        verdict=verdict,
        older_verdicts=tuple(row for row in verdicts if row is not verdict),
        mine=mine,
        others=tuple(others) if may_see else (),
        hidden=0 if may_see else len(others),
        history=tuple(
            row for row in human if not row.valid and (may_see or row.source_id == user.username)
        ),
        restorable=_restorable(human, user, is_admin=is_admin),
        deletable=frozenset(row.pk for row in valid if is_admin or row.author_id == user.pk),
        label=_label_line(judge, valid, label, settlement)
        if may_see or not (others or is_blind)
        else None,
        may_settle=bool(valid) and may_see and judge.may_be_settled_by(user),
        is_blind=is_blind,
    )


def _restorable(human: Sequence[Assessment], user: User, *, is_admin: bool) -> frozenset[int]:
    """Each person's newest answer, where it was deleted: one that was corrected is not put back."""
    newest: dict[str, Assessment] = {}
    for row in human:
        newest.setdefault(row.source_id, row)
    answered = {row.source_id for row in human if row.valid}
    return frozenset(
        row.pk
        for row in newest.values()
        if row.withdrawn_at
        and row.source_id not in answered
        and (is_admin or row.author_id == user.pk)
    )


def _in_force(verdicts: Sequence[Assessment], judge: Judge) -> Assessment | None:
    valid = [row for row in verdicts if row.valid]
    current = [row for row in valid if row.judge_version_id == judge.current_version_id]
    return next(iter([*current, *valid]), None)


def options_of(judge: Judge) -> tuple[Option, ...]:
    """The judge's values to choose from; empty where they cannot be listed."""
    choose_when = judge.guideline.choose_when if judge.guideline else {}
    return tuple(
        Option(
            key=value_key(value),
            value=value,
            choose_when=str(choose_when.get(value_key(value)) or ""),
            shortcut=position if position <= _KEYS_ON_CARDS else 0,
        )
        for position, value in enumerate(judge.value_type.choices, start=1)
    )


def _label_line(
    judge: Judge, valid: Sequence[Assessment], label: Label | None, settlement: Settlement | None
) -> LabelLine:
    if label is not None:
        return LabelLine(
            value=label.value,
            won=label.votes.get(label.value_key, 0),
            votes=sum(label.votes.values()),
            settled_by=str(settlement.settled_by or settlement.source_id)
            if settlement
            else label.settled_by,
            settled_at=settlement.settled_at if settlement else None,
        )
    traces = {row.trace_id for row in valid}
    votes = [vote for found in votes_by_trace(judge, traces=traces).values() for vote in found]
    settled = settle_votes(judge, votes)
    # A label that is on its way reads like none: the next look at the page shows it.
    return LabelLine(
        why_none=settled.reason.text if isinstance(settled, Unsettled) else "It is being settled."
    )
