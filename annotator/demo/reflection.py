"""What the demo model answers as an optimizer's model: criteria, in the words of its vocabulary.

It reads nothing but the cases, verdicts and reasons in the prompt. Criteria come from people's comments where they
fit the answer they were made on; without a usable comment from one case it guesses one contrast, which the
optimizer's own evaluation keeps or drops; from many cases it keeps what makes its own verdicts agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from annotator.demo.criteria import MAX_WORDS, Criterion, JudgedText, merge, wishes_in
from annotator.demo.grading import best_first, chance, violated_steps, worth_of
from annotator.demo.pairs import Pair, pair_of_fields
from annotator.demo.prompts import case_of_fields, loaded
from annotator.demo.vocabulary import VOCABULARY

_COMMENT_KEY = re.compile(
    r"rationale|reason|comment|critique|feedback|explanation|note", re.IGNORECASE
)
_VALUE_KEY = re.compile(
    r"^(?:expert_?|human_?|expected_?|gold_?)*(?:value|label|verdict|result|answer|rating|score)$"
)
_FEWEST_TO_COMPARE = 6


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One case with what a person said of it."""

    text: JudgedText
    value: Any = None
    comment: str = ""
    source: str = ""
    pair: Pair | None = None

    @property
    def texts(self) -> tuple[JudgedText, ...]:
        """The answers of the case: one, or the two that were compared."""
        return (self.pair.first, self.pair.second) if self.pair else (self.text,)

    def fits(self, criterion: Criterion) -> bool:
        """Whether the person's value is what this criterion alone would give."""
        if self.pair:
            return self.pair.tells_apart(criterion, self.value)
        return criterion.is_met(self.text) == (worth_of(self.value) >= 0.5)

    def wishes(self) -> list[Criterion]:
        """The criteria that the comment stands for, as far as they fit the case."""
        found = merge(wish for text in self.texts for wish in wishes_in(self.comment, text))
        return [wish for wish in found if self.fits(wish)] if self.pair else found

    def points(self, criteria: Sequence[Criterion], ranking: Sequence[Any]) -> float:
        """1 when the criteria give the person's value, half a point for the next grade."""
        if self.pair:
            better = self.pair.better(criteria)
            return float(
                better == self.value or (better is None and self.value not in self.pair.names)
            )
        violated = sum(not criterion.is_met(self.text) for criterion in criteria)
        place = [str(value) for value in ranking].index(str(self.value))
        off = abs(violated_steps(violated, len(criteria), len(ranking)) - place)
        return 1.0 if off == 0 else 0.5 if off == 1 and len(ranking) > 2 else 0.0


def lesson_of(fields: dict[str, Any], metadata: Any) -> Lesson:
    """The case in `fields` with the person's value and comment, as `metadata` has them under whatever names."""
    value, comments = None, []
    for key, item in _leaves(metadata):
        if _COMMENT_KEY.search(key) and isinstance(item, str):
            comments.append(item)
        elif _VALUE_KEY.match(key) and value is None:
            value = item
    pair = pair_of_fields({name.lower(): part for name, part in fields.items()})
    return Lesson(text=case_of_fields(fields), value=value, comment="\n".join(comments), pair=pair)


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, str(name))
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, key)
    elif value is not None:
        yield key, value


def advice_on(
    lesson: Lesson, stated: Sequence[Criterion], *, dice: tuple[object, ...]
) -> list[Criterion]:
    """New criteria from one case, for instructions that already state some; at least one where it can."""
    wishes = [criterion for criterion in lesson.wishes() if criterion not in stated]
    return wishes or _guess([lesson], stated, dice)


def _guess(
    lessons: Sequence[Lesson], stated: Sequence[Criterion], dice: tuple[object, ...]
) -> list[Criterion]:
    """One notion that these answers have or lack in the way their values suggest; a guess, to be tried out."""
    subjects = {criterion.subject for criterion in stated}
    options = [
        Criterion(notion=notion.key, is_wanted=notion.usually_wanted)
        for notion in VOCABULARY.values()
        if notion.key not in subjects
    ]
    if MAX_WORDS not in subjects:
        first = lessons[0]
        factor = 1.3 if worth_of(first.value) >= 0.5 else 0.7
        options.append(Criterion(notion=MAX_WORDS, limit=_rounded(first.text.word_count * factor)))
    fitting = {option: sum(lesson.fits(option) for lesson in lessons) for option in options}
    most = max(fitting.values())
    best = [option for option, count in fitting.items() if count == most > 0]
    return [min(best, key=lambda criterion: chance(criterion.sentence, *dice))] if best else []


def _rounded(words: float) -> int:
    return max(10, round(words / 10) * 10)


def criteria_from(lessons: Sequence[Lesson], stated: Sequence[Criterion]) -> list[Criterion]:
    """The criteria that many cases teach, the stated ones included as far as they help.

    Greedy: as long as adding or dropping one criterion makes the demo model's own verdicts agree with clearly more
    of the values shown, the best such change is made. What comments name gets a head start.
    """
    named: dict[Criterion, int] = {}
    for lesson in lessons:
        for criterion in lesson.wishes():
            named[criterion] = named.get(criterion, 0) + 1
    valued = [lesson for lesson in lessons if lesson.value is not None]
    if len(valued) < _FEWEST_TO_COMPARE:
        shown = tuple(lesson.text.answer for lesson in valued)
        return merge([*stated, *(named or (_guess(valued, stated, shown) if valued else ()))])
    ranking = best_first(list({str(lesson.value): lesson.value for lesson in valued}.values()))
    options = [*named, *_every_criterion(valued)]

    def gain(criteria: Sequence[Criterion]) -> float:
        hits = _closeness(criteria, valued, ranking)
        support = sum(min(3, named.get(criterion, 0)) for criterion in criteria)
        return hits * len(valued) + 0.3 * support - 0.9 * len(criteria)

    chosen, best = list(stated), gain(stated)
    while True:
        changes = [merge([*chosen, option]) for option in options if option not in chosen]
        changes += [[c for c in chosen if c != dropped] for dropped in chosen]
        candidate = max(changes, key=gain, default=chosen)
        if gain(candidate) <= best + 1e-9:
            return chosen
        chosen, best = candidate, gain(candidate)


def _every_criterion(lessons: Sequence[Lesson]) -> list[Criterion]:
    counts = sorted(text.word_count for lesson in lessons for text in lesson.texts)
    limits = sorted({_rounded(counts[len(counts) * part // 10]) for part in range(2, 10)})
    return [
        *(
            Criterion(notion=notion.key, is_wanted=notion.usually_wanted)
            for notion in VOCABULARY.values()
        ),
        *(Criterion(notion=MAX_WORDS, limit=limit) for limit in limits),
    ]


def _closeness(
    criteria: Sequence[Criterion], lessons: Sequence[Lesson], ranking: Sequence[Any]
) -> float:
    """The share of lessons on which these criteria give the person's value; half a point for the next grade."""
    if not criteria:
        return 1 / max(1, len(ranking))
    return sum(lesson.points(criteria, ranking) for lesson in lessons) / len(lessons)


def lessons_in(examples: Any) -> list[Lesson]:
    """The lessons in a list of records: GEPA's (Inputs, Generated Outputs, Feedback), or flat ones."""
    lessons = []
    for number, record in enumerate(examples if isinstance(examples, list) else []):
        if not isinstance(record, dict):
            continue
        fields = {key.lower(): value for key, value in record.items()}
        comment = " ".join(str(value) for key, value in fields.items() if _COMMENT_KEY.search(key))
        inputs = fields.get("inputs")
        shown = inputs if isinstance(inputs, dict) and "generated outputs" in fields else fields
        lesson = lesson_of(shown, fields)
        value = lesson.value
        if "generated outputs" in fields:
            value = _value_in(comment)
            if value is None:
                value = _value_by_score(comment, fields["generated outputs"])
        lessons.append(
            replace(
                lesson,
                value=value,
                comment=_reason_in(comment),
                source=str(fields.get("trace_id") or fields.get("id") or number),
            )
        )
    return lessons


def _value_by_score(feedback: str, generated: Any) -> Any:
    """The person's value where only a score of the judge's own value is told, as far as it follows from that."""
    score = re.search(r"score of (true|false|[01](?:\.0)?)\b", feedback, re.IGNORECASE)
    said = generated.get("result") if isinstance(generated, dict) else None
    said = (
        loaded(said.lower())
        if isinstance(said, str) and said.lower() in {"true", "false"}
        else said
    )
    if score is None or said is None:
        return None
    if score[1].lower() in {"true", "1", "1.0"}:
        return said
    return not said if isinstance(said, bool) else None


def _value_in(feedback: str) -> Any:
    """The person's value where a feedback text states it: "the expert's verdict is poor"."""
    match = re.search(
        r"(?:expert|human|person|people|expected|correct|right|label)\w*(?:'s|\u2019s)?\b[^.\n:“\"]{0,40}?"
        r"(?:\bis\b|\bwas\b|\bsaid\b|\bsays\b|\bgave\b|:)\s*[“\"'`]?(?P<value>[\w.-]+)",
        feedback,
        re.IGNORECASE,
    )
    return loaded(match["value"].rstrip(".").lower()) if match else None


def _reason_in(feedback: str) -> str:
    """The person's reason alone: the judge's own words in a feedback text teach nothing."""
    match = re.search(
        r"(?:expert|human|person|people)\w*(?:'s|\u2019s)?[^.\n:]{0,30}(?:reason|rationale|comment|note)\w*[^:\n]{0,20}:\s*(.*)",
        feedback,
        re.IGNORECASE,
    )
    return match[1] if match else feedback
