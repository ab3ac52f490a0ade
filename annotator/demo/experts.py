"""What the demo's experts think: their own criteria, their votes with slips and ties, and their words.

The experts look for four things that the judge's first instructions do not name. Their guide is for people.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from annotator.demo.answers import DemoTrace, Qualities

CATEGORIES = ("excellent", "good", "fair", "poor")
EXPERTS = ("expert1", "expert2", "expert3")
_LABELS_PER_CATEGORY = {"excellent": 15, "good": 14, "fair": 17, "poor": 11}
LABELS = sum(_LABELS_PER_CATEGORY.values())
TIES, UNJUDGED = 2, 3

GUIDE = (
    "Read the answer as the customer would. Four things matter to us. The customer learns when something happens: "
    "a day, a date, or a number of days. The customer learns what to do next. The answer fits on a phone, which is "
    "70 words at most. And it is plain: no marketing talk. Friendly words, lists and greetings neither help nor harm."
)
CHOOSE_WHEN = {
    "excellent": "All four are there: a time frame, a next step, at most 70 words, no marketing talk.",
    "good": "One of the four is missing.",
    "fair": "Two of the four are missing.",
    "poor": "Three or all of them are missing.",
}

_COMPLAINTS = {
    "time": (
        "no date, so the customer still does not know how long it takes",
        "it does not say when it will happen",
        "a time frame is missing",
        "nothing about how long this takes",
        "she will have to write again to ask when",
        "no concrete date at all",
    ),
    "step": (
        "no next step",
        "it does not tell the customer what to do next",
        "what the customer should do is not said",
        "the next step is missing",
        "it ends without a next step",
        "it just stops, and then what",
    ),
    "long": (
        "far too long",
        "it rambles, half of it is about us",
        "too wordy for a phone, 70 words are enough",
        "too long, nobody reads the background",
        "much longer than 70 words",
        "I would cut everything after the second sentence",
    ),
    "hype": (
        "it sounds like an advert",
        "too much marketing talk",
        "the hype does not help anybody with a problem",
        "the sales talk is out of place here",
        "it reads like a brochure",
        "this is not the moment to sing our own praise",
    ),
}
_PRAISE = {
    "time": ("it gives a clear date", "it says how long it takes", "it has a concrete time frame"),
    "step": ("it says what to do next", "the next step is clear", "the customer knows what to do"),
    "long": ("it is short", "it is to the point", "it is nice and brief"),
    "hype": ("it stays plain", "there is no marketing talk", "the tone is sober"),
}
_REASONS_NOT_TO_JUDGE = (
    "I do not know this product well enough.",
    "The question is unclear, so I cannot say what a good answer would be.",
    "It needs somebody from the finance team to say whether this is right.",
)


@dataclass(frozen=True, kw_only=True)
class DemoFeedback:
    """One expert's feedback on one trace: a value, or the reason why there is none.

    Attributes:
        trace_id: The trace.
        username: The expert.
        value: The category, or None when the expert cannot judge.
        rationale: The expert's words; empty where none were given.
        cannot_judge_reason: Why there is no value; empty where there is one.
        offset_s: How many seconds before now it was given.
    """

    trace_id: str
    username: str
    value: str | None
    rationale: str = ""
    cannot_judge_reason: str = ""
    offset_s: int


def label_of(qualities: Qualities) -> str:
    """The category by the experts' own criteria: each fault costs one, the fourth nothing more."""
    return CATEGORIES[min(len(qualities.faults), len(CATEGORIES) - 1)]


def is_positive(value: str) -> bool:
    """Whether the category counts for the positive side."""
    return value in {"excellent", "good"}


def give_feedback(traces: Sequence[DemoTrace], *, seed: int) -> tuple[DemoFeedback, ...]:
    """The experts' feedback: exactly `LABELS` traces with a majority, all categories well filled, and some without."""
    rng = random.Random(seed)  # noqa: S311 - the same demo for everybody, no secret
    order = list(traces)
    rng.shuffle(order)
    wanted = dict(_LABELS_PER_CATEGORY)
    chosen = []
    rest = []
    for trace in order:
        category = label_of(trace.qualities)
        if wanted[category]:
            wanted[category] -= 1
            chosen.append(trace)
        else:
            rest.append(trace)
    given: list[DemoFeedback] = []
    for number, trace in enumerate(chosen):
        given.extend(_votes(trace, number, rng))
    for number, trace in enumerate(rest[:TIES]):
        right = label_of(trace.qualities)
        given.append(_feedback(trace, EXPERTS[number], right, rng))
        given.append(_feedback(trace, EXPERTS[number + 1], _next_to(right, rng), rng))
    for number, trace in enumerate(rest[TIES : TIES + UNJUDGED]):
        given.append(_cannot_judge(trace, EXPERTS[number], _REASONS_NOT_TO_JUDGE[number], rng))
    return tuple(sorted(given, key=lambda feedback: feedback.offset_s))


def _votes(trace: DemoTrace, number: int, rng: random.Random) -> Iterable[DemoFeedback]:
    """One, two or three votes with a majority; the label itself slips to a neighbour once in 28 times."""
    right = label_of(trace.qualities)
    label = _next_to(right, rng) if number % 28 == 5 else right
    experts = [EXPERTS[(number + place) % 3] for place in range(3)]
    yield _feedback(trace, experts[0], label, rng)
    if number % 4 == 1 or number % 10 == 2:
        yield _feedback(trace, experts[1], label, rng)
    if number % 10 == 2:
        yield _feedback(trace, experts[2], _next_to(label, rng), rng)
    if number == 0:
        yield _cannot_judge(trace, experts[1], _REASONS_NOT_TO_JUDGE[0], rng)


def _next_to(value: str, rng: random.Random) -> str:
    place = CATEGORIES.index(value)
    neighbours = [p for p in (place - 1, place + 1) if 0 <= p < len(CATEGORIES)]
    return CATEGORIES[rng.choice(neighbours)]


def _given_at(trace: DemoTrace, rng: random.Random) -> int:
    """Some time between the trace and half an hour ago."""
    return rng.randrange(1800, max(1801, trace.offset_s - 600))


def _feedback(trace: DemoTrace, username: str, value: str, rng: random.Random) -> DemoFeedback:
    rationale = _words(trace.qualities, rng) if rng.random() < 0.66 else ""
    return DemoFeedback(
        trace_id=trace.trace.trace_id,
        username=username,
        value=value,
        rationale=rationale,
        offset_s=_given_at(trace, rng),
    )


def _cannot_judge(trace: DemoTrace, username: str, reason: str, rng: random.Random) -> DemoFeedback:
    return DemoFeedback(
        trace_id=trace.trace.trace_id,
        username=username,
        value=None,
        cannot_judge_reason=reason,
        offset_s=_given_at(trace, rng),
    )


def _words(qualities: Qualities, rng: random.Random) -> str:
    """A rationale: what is wrong, or what is right, seldom all of it."""
    faults = list(qualities.faults)
    merits = [name for name in _PRAISE if name not in faults]
    rng.shuffle(faults)
    rng.shuffle(merits)
    if not faults:
        praised = [rng.choice(_PRAISE[name]) for name in merits[: rng.choice((1, 2, 3))]]
        return _sentence(praised)
    named = [rng.choice(_COMPLAINTS[name]) for name in faults[: rng.choice((1, 2, 2, 3))]]
    if merits and rng.random() < 0.35:
        return f"{_sentence([rng.choice(_PRAISE[merits[0]])])[:-1]}, but {' and '.join(named)}."
    return _sentence(named)


def _sentence(parts: Sequence[str]) -> str:
    text = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"
    return text[0].upper() + text[1:] + "."
