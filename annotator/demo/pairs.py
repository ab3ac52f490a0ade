"""Two answers to one question, of which one is preferred: how the demo model compares them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from annotator.demo.criteria import Criterion, JudgedText
from annotator.demo.grading import Verdict, chance, findings, general_opinion
from annotator.demo.prompts import asked, loaded, said

_SIDE = re.compile(r"^(?P<stem>.*?)[_ -]?(?P<side>[12ab])$", re.IGNORECASE)
TIE_WORDS = ("tie", "equal", "both", "neither", "same", "draw")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two answers with the names that a verdict calls them by, such as `response_1` and `response_2`."""

    names: tuple[str, str]
    first: JudgedText
    second: JudgedText

    def better(self, criteria: Sequence[Criterion]) -> str | None:
        """The name of the answer that violates fewer criteria; None when they violate equally many."""
        violated = [
            sum(not criterion.is_met(text) for criterion in criteria)
            for text in (self.first, self.second)
        ]
        if violated[0] == violated[1]:
            return None
        return self.names[0] if violated[0] < violated[1] else self.names[1]

    def tells_apart(self, criterion: Criterion, preferred: str) -> bool:
        """Whether the preferred answer meets the criterion and the other one does not."""
        return self.better([criterion]) == preferred


def pair_of_fields(fields: dict[str, Any]) -> Pair | None:
    """The two answers in `outputs`, where it holds exactly two that differ by their number or letter."""
    outputs = fields.get("outputs")
    outputs = loaded(outputs) if isinstance(outputs, str) else outputs
    if not isinstance(outputs, dict) or len(outputs) != 2:
        return None
    marks = [_SIDE.match(str(name)) for name in outputs]
    if not all(marks) or len({mark["stem"].lower() for mark in marks if mark}) != 1:
        return None
    question = asked(fields.get("inputs", ""))
    (one, first), (two, second) = outputs.items()
    return Pair(
        names=(str(one), str(two)),
        first=JudgedText(answer=said(first), question=question),
        second=JudgedText(answer=said(second), question=question),
    )


def judge_pair(
    pair: Pair,
    criteria: Sequence[Criterion],
    categories: Sequence[Any],
    *,
    temperature: float,
    dice: tuple[object, ...],
) -> Verdict:
    """The verdict: the answer that violates fewer criteria, or by general opinion where none are stated.

    Args:
        pair: The answers.
        criteria: What the instructions state.
        categories: The values to choose from; both names are among them, and perhaps a word for a tie.
        temperature: Above 0 a verdict without criteria varies much, one with them little.
        dice: What the variation depends on.
    """
    tie = next((value for value in categories if str(value).lower() in TIE_WORDS), None)
    if not criteria:
        lead = general_opinion(pair.first) - general_opinion(pair.second)
        lead += (chance("opinion", *dice) + chance("mood", *dice) - 1) * 0.75 * temperature
        value = pair.names[0] if lead >= 0 else pair.names[1]
        return Verdict(value=value, rationale=f"General impression: {value} is more convincing.")
    chosen: Any = pair.better(criteria) or tie or pair.names[0]
    if chance("slip", *dice) < 0.12 * temperature:
        others = [option for option in categories if option != chosen]
        chosen = others[int(chance("side", *dice) * len(others))]
    told = [
        f"{name}: {findings(text, criteria)}"
        for name, text in zip(pair.names, (pair.first, pair.second), strict=True)
    ]
    return Verdict(value=chosen, rationale="\n".join(told))
