"""The demo world: Lumen & Oak, a shop for lamps and furniture, its support assistant, and the people who review it.

Everything is made from templates with a fixed seed, so that every installation shows the same demo. The verdicts are
computed by the demo model from the judge's instructions, so that every figure is true.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from annotator.demo.answers import DemoTrace, make_traces
from annotator.demo.experts import (
    CATEGORIES,
    CHOOSE_WHEN,
    GUIDE,
    LABELS,
    DemoFeedback,
    give_feedback,
    is_positive,
    label_of,
)
from annotator.demo.model import DEMO_MODEL_NAME, respond
from judges.answers import parse_answer
from judges.instructions import Case, InstructionsJudge
from judges.render import answer_schema, render
from judges.values import ValueKind, ValueType

_FEEDBACK_SEED = 10


@dataclass(frozen=True, kw_only=True)
class DemoPerson:
    """Somebody who can sign in. `role` is EXPERT, LEAD or ADMIN."""

    username: str
    full_name: str
    role: str


@dataclass(frozen=True, kw_only=True)
class DemoJudge:
    """The judge of the demo with what the app keeps beside it.

    Attributes:
        judge: The judge itself, with its first, general instructions.
        positive, negative: The categories on either side; there is no neutral one.
        minimum_labels: How many labels it asks for before it is aligned.
        min_share: The least share of either side.
        label_rule: How several people's answers settle.
    """

    judge: InstructionsJudge
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    minimum_labels: int
    min_share: float
    label_rule: str


@dataclass(frozen=True, kw_only=True)
class DemoGuideline:
    """The experts' guide; for people, and never part of the judge's instructions."""

    text: str
    choose_when: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class DemoVerdict:
    """What the judge said of a trace."""

    value: str
    rationale: str


@dataclass(frozen=True, kw_only=True)
class DemoWorld:
    """Everything that seeding the demo needs.

    Attributes:
        review_next: Traces without feedback, the ones worth reviewing next first.
    """

    team: str
    experiment: str
    traces: tuple[DemoTrace, ...]
    feedback: tuple[DemoFeedback, ...]
    people: tuple[DemoPerson, ...]
    judge: DemoJudge
    guideline: DemoGuideline
    review_next: tuple[str, ...]


_PEOPLE = (
    DemoPerson(username="admin", full_name="Samuel Okafor", role="ADMIN"),
    DemoPerson(username="lead", full_name="Greta Novak", role="LEAD"),
    DemoPerson(username="expert1", full_name="Hannah Lindqvist", role="EXPERT"),
    DemoPerson(username="expert2", full_name="Tomás Pereira", role="EXPERT"),
    DemoPerson(username="expert3", full_name="Aisha Rahman", role="EXPERT"),
)
_INSTRUCTIONS = (
    "You judge the answers of the support assistant of Lumen & Oak, an online shop for lamps and furniture.\n"
    "The customer's message is in {{ inputs }}, the assistant's answer in {{ outputs }}.\n"
    "Judge how good the answer is for the customer. A good answer is helpful, polite and accurate."
)


def first_judge() -> InstructionsJudge:
    """The judge `product_quality` before any alignment."""
    return InstructionsJudge(
        name="product_quality",
        instructions=_INSTRUCTIONS,
        value_type=ValueType(kind=ValueKind.CATEGORY, categories=CATEGORIES, ordered=True),
        model=DEMO_MODEL_NAME,
        description="How good an answer of the shop's support assistant is.",
    )


def verdict_of(judge: InstructionsJudge, trace: DemoTrace) -> DemoVerdict:
    """What the demo model says as this judge, by the same prompt that the app sends."""
    case = Case.from_trace(trace.trace, judge)
    schema = {
        "type": "json_schema",
        "json_schema": {"name": "verdict", "schema": answer_schema(judge)},
    }
    body = {"model": judge.model, "messages": list(render(judge, case)), "response_format": schema}
    value, rationale = parse_answer(respond(body), judge.value_type)
    return DemoVerdict(value=str(value), rationale=rationale)


@cache
def initial_verdicts() -> Mapping[str, DemoVerdict]:
    """The first judge's verdict on every trace, by trace id."""
    judge = first_judge()
    return {trace.trace.trace_id: verdict_of(judge, trace) for trace in demo_world().traces}


def hidden_label(trace: DemoTrace) -> str:
    """The category by the experts' own criteria, whether or not anybody reviewed the trace. For tests."""
    return label_of(trace.qualities)


def settled_labels(world: DemoWorld) -> dict[str, str]:
    """The label of every trace on which more than half of the experts agree."""
    votes: dict[str, list[str]] = {}
    for feedback in world.feedback:
        if feedback.value is not None:
            votes.setdefault(feedback.trace_id, []).append(feedback.value)
    labels = {}
    for trace_id, values in votes.items():
        value, count = Counter(values).most_common(1)[0]
        if count * 2 > len(values):
            labels[trace_id] = value
    return labels


@cache
def demo_world() -> DemoWorld:
    """The demo, always the same one."""
    traces = make_traces()
    feedback = give_feedback(traces, seed=_FEEDBACK_SEED)
    judge = first_judge()
    reviewed = {item.trace_id for item in feedback}
    waiting = [trace for trace in traces if trace.trace.trace_id not in reviewed]
    by_side = {
        side: [t.trace.trace_id for t in waiting if is_positive(verdict_of(judge, t).value) is side]
        for side in (True, False)
    }
    alternating = [
        trace_id for pair in zip(by_side[False], by_side[True], strict=False) for trace_id in pair
    ]
    return DemoWorld(
        team="Lumen & Oak",
        experiment="Support assistant",
        traces=traces,
        feedback=feedback,
        people=_PEOPLE,
        judge=DemoJudge(
            judge=judge,
            positive=CATEGORIES[:2],
            negative=CATEGORIES[2:],
            minimum_labels=LABELS + 3,
            min_share=0.30,
            label_rule="MAJORITY",
        ),
        guideline=DemoGuideline(text=GUIDE, choose_when=CHOOSE_WHEN),
        review_next=tuple(alternating),
    )
