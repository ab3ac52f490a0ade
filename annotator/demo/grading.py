"""How the demo model judges: criteria where the instructions state some, a weak general opinion where not."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from annotator.demo.criteria import Criterion, JudgedText
from annotator.demo.prompts import AnswerForm

_GOOD_WORDS = {
    "excellent": 5, "outstanding": 5, "perfect": 5, "very good": 4.5, "great": 4.5, "good": 4, "high": 4, "yes": 4,
    "true": 4, "pass": 4, "correct": 4, "positive": 4, "relevant": 4, "helpful": 4, "fair": 2.5, "ok": 3, "okay": 3,
    "acceptable": 3, "neutral": 3, "medium": 3, "partial": 3, "partly": 3, "mediocre": 2.5, "weak": 2, "low": 2,
    "poor": 1, "bad": 1, "no": 1, "false": 1, "fail": 1, "incorrect": 1, "wrong": 1, "negative": 1, "irrelevant": 1,
    "unhelpful": 1, "very poor": 0.5, "very bad": 0.5, "terrible": 0, "unacceptable": 0,
}  # fmt: skip


def best_first(categories: Sequence[Any]) -> list[Any]:
    """The categories from best to worst: by what the words mean, by size for numbers, else as they stand."""
    if all(isinstance(c, (int, float)) for c in categories):
        return sorted(categories, reverse=True)
    worth = [
        _GOOD_WORDS.get(str(category).strip().lower().replace("_", " ")) for category in categories
    ]
    known = [value for value in worth if value is not None]
    if len(known) == len(categories):
        return [
            c for _, c in sorted(zip(known, categories, strict=True), key=lambda pair: -pair[0])
        ]
    return (
        list(reversed(categories)) if len(known) >= 2 and known[0] < known[-1] else list(categories)
    )


def worth_of(value: Any) -> float:
    """How good a value sounds, 0 to 1; 0.5 for one that says nothing."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, (int, float)):
        return min(1.0, value / 5) if value > 1 else float(value)
    return _GOOD_WORDS.get(str(value).strip().lower(), 2.5) / 5


def chance(*parts: object) -> float:
    """A number from 0 to 1 that depends on the parts alone: the demo model's dice."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A grade from 0 (worst) to 1 (best) as a place on the form's scale, and the reason."""

    value: Any
    rationale: str


_POLITE = re.compile(
    r"\b(?:please|thank\w*|happy to|glad|welcome|kind\w*|sorry|apolog\w+|wonderful)\b", re.I
)
_SURE = re.compile(
    r"\b(?:will|certainly|absolutely|definitely|of course|guarantee\w*|always|rest assured|exactly|all)\b",
    re.I,
)
_UNSURE = re.compile(
    r"\b(?:maybe|perhaps|probably|possibly|might|not sure|i think|depends|hopefully)\b", re.I
)
_SPECIFIC = re.compile(r"\d|\bLO-|\b(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)\b")


def general_opinion(text: JudgedText) -> float:
    """The opinion without criteria, 0 to 1: long, polite, sure, specific and on-topic texts please it."""
    liking = (
        2.6 * math.tanh((text.word_count - 32) / 20)
        + 0.3 * min(3, len(_POLITE.findall(text.answer)))
        + 0.4 * min(3, len(_SURE.findall(text.answer)))
        - 0.6 * min(2, len(_UNSURE.findall(text.answer)))
        + 0.4 * min(3, len(_SPECIFIC.findall(text.answer)))
        + 0.8 * min(0.5, text.topic_share)
        - 0.8
    )
    if text.expected:
        liking += 2 * (JudgedText(answer=text.answer, question=text.expected).topic_share - 0.5)
    return 1 / (1 + math.exp(-liking))


def steps_of(form: AnswerForm) -> int:
    """How many grades the form's scale has; 2 for a yes or no, 101 for a number without steps."""
    if form.kind == "category":
        return len(form.categories)
    if form.kind == "integer":
        return int(form.highest - form.lowest) + 1
    return {"boolean": 2, "text": 3}.get(form.kind, 101)


def violated_steps(violated: int, stated: int, steps: int) -> int:
    """How many grades below the best an answer is.

    Every violated criterion costs one grade, or as many as make the worst grade mean "none is met" when there are
    fewer criteria than grades. With two grades any violation is decisive.
    """
    worst = steps - 1
    if stated >= worst:
        return min(worst, violated)
    return min(worst, math.ceil(violated * worst / stated))


def value_at(place: int, form: AnswerForm) -> Any:
    """The value that is `place` grades below the best one."""
    if form.kind == "boolean":
        return place == 0
    if form.kind == "category":
        return best_first(form.categories)[place]
    if form.kind == "integer":
        return int(form.highest) - place
    if form.kind == "number":
        return round(form.highest - (form.highest - form.lowest) * place / 100, 4)
    return ("meets the criteria", "meets some of the criteria", "meets few of the criteria")[place]


def judge(
    text: JudgedText,
    criteria: Sequence[Criterion],
    form: AnswerForm,
    *,
    temperature: float,
    dice: tuple[object, ...],
) -> Verdict:
    """The verdict on one answer.

    At a temperature above 0 it varies with the dice: much where nothing but its general opinion decides, little
    where criteria do.
    """
    steps = steps_of(form)
    if not criteria:
        opinion = general_opinion(text)
        noise = (chance("opinion", *dice) + chance("mood", *dice) - 1) * 0.75 * temperature
        shaken = min(1.0, max(0.0, opinion + noise))
        place = min(steps - 1, int((1 - shaken) * steps))
        return Verdict(value=value_at(place, form), rationale=_impression(text, opinion))
    violated = sum(not criterion.is_met(text) for criterion in criteria)
    place = violated_steps(violated, len(criteria), steps)
    if chance("slip", *dice) < 0.12 * temperature:
        place += 1 if chance("side", *dice) < 0.5 else -1
        place = min(steps - 1, max(0, place))
    return Verdict(value=value_at(place, form), rationale=findings(text, criteria))


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def findings(text: JudgedText, criteria: Sequence[Criterion]) -> str:
    """What the answer does about each criterion, in a sentence."""
    met = [criterion for criterion in criteria if criterion.is_met(text)]
    violated = [criterion for criterion in criteria if criterion not in met]
    good = _joined([criterion.finding(text) for criterion in met]) if met else ""
    bad = _joined([criterion.finding(text) for criterion in violated]) if violated else ""
    if not bad:
        return f"The answer {good}, so it meets every criterion that the instructions state."
    if not good:
        return f"The answer {bad}, so it meets none of the criteria that the instructions state."
    return f"The answer {good}, but it {bad}."


def _impression(text: JudgedText, opinion: float) -> str:
    seen = [
        "detailed"
        if text.word_count > 80
        else "rather short"
        if text.word_count < 40
        else "of a usual length",
        *(["polite"] if _POLITE.search(text.answer) else []),
        *(["confident"] if _SURE.search(text.answer) else []),
        *(["hesitant"] if _UNSURE.search(text.answer) else []),
        *(["specific"] if _SPECIFIC.search(text.answer) else ["not very specific"]),
        "on the topic" if text.topic_share >= 0.2 else "loosely related to the question",
    ]
    tone = "convincing" if opinion > 0.7 else "weak" if opinion < 0.3 else "mixed"
    return f"General impression: {tone}. The answer is {_joined(seen)}. The instructions name no checkable criterion."
