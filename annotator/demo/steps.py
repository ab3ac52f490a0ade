"""What the demo shop's assistant did below an answer: its steps, as spans."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from judges.entities import Span, Trace


def trace_id(number: int) -> str:
    return "tr-" + sha256(f"lumen-and-oak/{number}".encode()).hexdigest()[:32]


def span_id_of(number: int, place: int) -> str:
    return sha256(f"lumen-and-oak/{number}/{place}".encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step below the root span: what it did and how long it took."""

    name: str
    span_type: str
    inputs: Any
    outputs: Any
    milliseconds: int
    error: str = ""


def spans_of(number: int, inputs: Any, outputs: Any, steps: Sequence[Step]) -> tuple[Span, ...]:
    clock = 2_000_000  # nanoseconds since the trace began
    below = []
    for place, step in enumerate(steps, start=1):
        end = clock + step.milliseconds * 1_000_000
        below.append(
            Span(
                span_id=span_id_of(number, place),
                parent_id=span_id_of(number, 0),
                name=step.name,
                span_type=step.span_type,
                start_ns=clock,
                end_ns=end,
                inputs=step.inputs,
                outputs=step.outputs,
                status="ERROR" if step.error else "OK",
                status_message=step.error,
                attributes={"model": "shop-assistant-2"} if step.span_type == "LLM" else {},
            )
        )
        clock = end + 1_000_000
    root = Span(
        span_id=span_id_of(number, 0),
        name="shop_assistant",
        span_type="AGENT",
        start_ns=0,
        end_ns=clock,
        inputs=inputs,
        outputs=outputs,
    )
    return (root, *below)


def duration_ms(trace: Trace) -> int:
    return (trace.spans[0].end_ns or 0) // 1_000_000


def llm_milliseconds(answer: str, rng: random.Random) -> int:
    return 350 + len(answer) * 4 + rng.randrange(400)


def help_pages(topic: str) -> list[dict[str, Any]]:
    """What the shop's search finds on a topic, the best first, named as MLflow's retrievers do."""
    place = f"help/{topic.replace(' ', '-')}"
    sections = (
        (
            "first steps",
            "Ask for the order number, and repeat in your words what the customer wants.",
        ),
        ("what we promise", "Name a day. If it cannot be kept, say so before the customer asks."),
        ("when it takes longer", "Apologise once, say what happens next, and who looks after it."),
        ("whom to ask", "The colleagues of the second line answer within an hour on weekdays."),
    )
    return [
        {
            "page_content": f"**{topic.capitalize()}: {title}.** {text}",
            "metadata": {"title": f"{topic.capitalize()}: {title}", "doc_uri": f"{place}#{number}"},
            "score": round(0.94 - 0.11 * number, 2),
        }
        for number, (title, text) in enumerate(sections)
    ]
