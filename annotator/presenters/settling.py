"""The settling screen: who said what, with names hidden until it is decided, and the values to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from annotator.models import Assessment, Judge, Source
from annotator.presenters.disagreements import verdict_of
from annotator.presenters.judge_cards import Option, options_of
from judges.values import value_key


@dataclass(frozen=True, kw_only=True)
class AnswerCard:
    """What one person, or the judge, said.

    Attributes:
        who: The name, or a letter while names are hidden.
        first: What the person said first, where that is another value; None else.
        seconds: How long it took, where a session measured it.
        href_key: The assessment's id, for adopting it.
    """

    who: str
    is_judge: bool
    answer: Assessment
    first: Any
    seconds: int | None
    href_key: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A value that can be chosen, with who chose it."""

    option: Option
    chosen_by: tuple[str, ...]


def answer_cards(
    judge: Judge, said: Sequence[Assessment], firsts: dict[str, Any], *, with_names: bool
) -> list[AnswerCard]:
    """A card for each person, oldest answer first, and one for the judge.

    Args:
        judge: Whose name the answers bear.
        said: Valid answers and verdicts on the trace, oldest first.
        firsts: What each person said first, by source id.
        with_names: Whether people are named; otherwise they are "Person A", "Person B".
    """
    human = [row for row in said if row.source_type == Source.HUMAN]
    cards = [
        AnswerCard(
            who=str(row.author or row.source_id) if with_names else f"Person {_letter(place)}",
            is_judge=False,
            answer=row,
            first=_first(row, firsts),
            seconds=row.assignment.active_seconds if row.assignment else None,
            href_key=row.assessment_id,
        )
        for place, row in enumerate(human)
    ]
    verdict = verdict_of(judge, said)
    if verdict is not None:
        cards.append(
            AnswerCard(
                who="Judge",
                is_judge=True,
                answer=verdict,
                first=None,
                seconds=None,
                href_key=verdict.assessment_id,
            )
        )
    return cards


def decisions(judge: Judge, cards: Sequence[AnswerCard]) -> list[Decision]:
    """The judge's values with who chose each; empty where they cannot be listed."""
    return [
        Decision(
            option=option,
            chosen_by=tuple(card.who for card in cards if card.answer.value_key == option.key),
        )
        for option in options_of(judge)
    ]


def _letter(place: int) -> str:
    rounds, letter = divmod(place, len(ascii_uppercase))
    return ascii_uppercase[letter] + (str(rounds + 1) if rounds else "")


def _first(row: Assessment, firsts: dict[str, Any]) -> Any:
    first = firsts.get(row.source_id)
    is_other = first is not None and value_key(first) != row.value_key
    return first if is_other else None
