"""A world in which agreement can be had or lost on purpose: each answer carries its right label as a tag.

The model behind it does what its instructions say: it says "good" to everything, reads the tag when told to, and says
the opposite when told that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from annotator.models import Experiment, Judge, User
from judges import AlignmentOptimizer, Trace
from judges import Judge as DomainJudge
from judges.instructions import InstructionsJudge
from judges.values import ValueKind, ValueType
from tests.factories import create_feedback, create_judge, create_trace, create_verdict

GOOD_OR_POOR = ValueType(kind=ValueKind.CATEGORY, categories=("good", "poor"), ordered=True)
LEARNT = "Read the tag."
HARMFUL = "Say the opposite of the tag."


def respond(body: dict[str, Any]) -> str:
    """The model's answer to a judge's prompt."""
    prompt = body["messages"][0]["content"]
    tag = re.findall(r"\[(good|poor)\]", body["messages"][-1]["content"])[-1]
    value = "good"
    if LEARNT in prompt:
        value = tag
    if HARMFUL in prompt:
        value = "poor" if tag == "good" else "good"
    return json.dumps({"rationale": f"I read {tag}.", "result": value})


class AddsARule(AlignmentOptimizer):
    """Adds one sentence to the instructions, after asking the judge about every trace it learns from."""

    min_examples = 4

    def __init__(self, *, rule: str = LEARNT, passes: int = 0) -> None:
        self.rule = rule
        self.passes = passes

    def align(self, judge: DomainJudge, traces: Sequence[Trace]) -> DomainJudge:
        assert isinstance(judge, InstructionsJudge)
        for number in range(self.passes):
            asked = replace(judge, instructions=f"{judge.instructions} Pass {number}.")
            for trace in traces:
                asked(trace=trace)
        return replace(judge, instructions=f"{judge.instructions} {self.rule}")


def create_tagged_judge(
    *, experiment: Experiment, model: str = "tagged:/model", **fields: Any
) -> Judge:
    """A judge of good and poor, which no run touches until a test asks for it."""
    return create_judge(
        **{
            "experiment": experiment,
            "value_type": GOOD_OR_POOR,
            "model": model,
            "optimizer": "adds-a-rule",
            "minimum_labels": 10,
            "alignment_policy": Judge.AlignmentPolicy.MANUAL,
            **fields,
        }
    )


def label_traces(*, judge: Judge, author: User, count: int, first: int = 0) -> None:
    """Traces with the verdict "good" and a label, every second one "poor"."""
    for number in range(first, first + count):
        tag = ("good", "poor")[number % 2]
        trace = create_trace(
            experiment=judge.experiment,
            question=f"Question {number}?",
            answer=f"Answer {number} [{tag}]",
        )
        create_verdict(judge=judge, trace=trace, value="good")
        create_feedback(
            judge=judge, trace=trace, author=author, value=tag, rationale=f"The tag says {tag}."
        )
