"""A small world for tests: answers of a support desk, judged by a hidden rubric that the general judge does not know.

Good is what states a time frame and does not apologise. Everything else about an answer is noise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from alignment.labels import Example
from alignment.sides import Side
from annotator.demo.model import respond
from judges.entities import AssessmentSource, Feedback, SourceType, Trace
from judges.instructions import InstructionsJudge, make_judge
from judges.llm import Gateway, register_local_provider

register_local_provider("demo", respond)

TEXT = "Decide whether the answer in {{ outputs }} helps the customer who asked {{ inputs }}."


def desk_judge(**options: Any) -> InstructionsJudge:
    """The general judge, before anybody taught it."""
    settings = {"name": "support", "model": "demo:/judge", "feedback_value_type": bool, **options}
    return make_judge(instructions=TEXT, **settings)


def toss(*about: object) -> float:
    """A number from 0 to 1 that depends on nothing but its arguments."""
    digest = hashlib.sha256(repr(about).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def desk_examples(
    n: int, *, comments: float = 1.0, are_labels_shuffled: bool = False, start: int = 0
) -> list[Example]:
    """Answers with labels by the rubric and a general judge's verdicts, the labels dealt out anew if shuffled."""
    cases = [_case(number) for number in range(start, start + n)]
    labels = [is_good for _, is_good, _ in cases]
    if are_labels_shuffled:
        order = sorted(range(n), key=lambda number: toss("shuffle", number))
        labels = [labels[number] for number in order]
    examples = []
    for number, ((text, is_good, comment), label) in enumerate(
        zip(cases, labels, strict=True), start
    ):
        has_comment = toss("comment", number) < comments and label == is_good
        examples.append(
            Example(
                trace=Trace(
                    trace_id=f"t{number}",
                    inputs={"question": f"Where is my parcel {number}?"},
                    outputs={"answer": text},
                ),
                value=label,
                rationale=comment if has_comment else "",
                side=Side.POSITIVE if label else Side.NEGATIVE,
                verdict_value=toss("verdict", number) < 0.5,
                group=f"g{number}",
            )
        )
    return examples


def traces_of(examples: Sequence[Example], *, name: str = "support") -> list[Trace]:
    """The examples as people and the judge left them on the traces."""
    return [
        Trace(
            trace_id=example.trace.trace_id,
            inputs=example.trace.inputs,
            outputs=example.trace.outputs,
            assessments=(
                Feedback(
                    name=name,
                    value=example.verdict_value,
                    source=AssessmentSource(
                        source_type=SourceType.LLM_JUDGE, source_id="demo:/judge"
                    ),
                ),
                Feedback(
                    name=name,
                    value=example.value,
                    rationale=example.rationale,
                    source=AssessmentSource(source_type=SourceType.HUMAN, source_id="ann"),
                ),
            ),
        )
        for example in examples
    ]


def agreement_of(judge: InstructionsJudge, examples: Sequence[Example], gateway: Gateway) -> float:
    """The share of labels that a judge agrees with."""
    from judges.instructions import Case

    hits = [
        judge.evaluate(Case.from_trace(example.trace, judge), gateway=gateway).value
        == example.value
        for example in examples
    ]
    return sum(hits) / len(hits)


def _case(number: int) -> tuple[str, bool, str]:
    """An answer, whether it is good, and what a careful person says of it."""
    has_time, has_sorry = toss("time", number) < 0.7, toss("sorry", number) < 0.35
    parts = ["We are sorry for the trouble."] if has_sorry else ["Thanks for asking."]
    parts.append(("We looked at it.", "Our colleagues have seen it.", "It was found.")[number % 3])
    if toss("link", number) < 0.5:
        parts.append("See https://shop.example/parcels.")
    if has_time:
        parts.append(f"It will be there within {2 + number % 5} days.")
    if not has_time:
        return " ".join(parts), False, "It must state a time frame."
    if has_sorry:
        return " ".join(parts), False, "It must not apologise."
    return " ".join(parts), True, "It states a time frame."
