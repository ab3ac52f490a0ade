"""Making the demo shop's traces: single answers and conversations, good and bad in many ways, always the same ones."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from annotator.demo.content import delivery, products, returns, service
from annotator.demo.content.scenario import Scenario
from annotator.demo.steps import Step, duration_ms, help_pages, llm_milliseconds, spans_of, trace_id
from judges.entities import Trace

SCENARIOS: tuple[Scenario, ...] = (
    *delivery.SCENARIOS,
    *returns.SCENARIOS,
    *products.SCENARIOS,
    *service.SCENARIOS,
)
CONVERSATIONS = 20
MOST_WORDS = 70

_SEED = 7
_FAULT_WEIGHTS = {"time": 1.0, "step": 1.0, "hype": 0.55, "long": 0.3}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_NAMES = (
    "Emma", "Oliver", "Ana", "Yusuf", "Bea", "Martin", "Priya", "Jonas", "Chloe", "Daniel",
    "Ines", "Robert", "Mei", "Laura", "Patrick", "Zoe", "Henrik", "Nadia", "George", "Sofia",
    "Liam", "Carla", "Thomas", "Ruby", "Ahmed", "Julia", "Peter", "Olga", "Simon", "Clara",
)  # fmt: skip
_GREETINGS = ("Hi {name},", "Hello {name},", "Dear {name},", "Good morning {name},", "", "", "")
_THANKS = ("Thank you for your message.", "Thanks for getting in touch.", "Thank you for asking.")
_APOLOGIES = (
    "I am sorry for the trouble.",
    "We apologise for the inconvenience.",
    "Sorry about that!",
    "I understand how annoying this is.",
)
_HEDGES = (
    "I am not entirely sure about the details, though.",
    "As far as I know this is the usual way.",
    "It depends a little on the case, perhaps.",
)
_CLOSINGS = (
    "Best regards, Mina from Lumen & Oak",
    "Kind regards, your Lumen & Oak team",
    "Have a nice day!",
    "Warm wishes, Jamie",
    "Is there anything else I can help with?",
)


@dataclass(frozen=True, kw_only=True)
class Qualities:
    """What an answer is like, as it was made; the experts look at nothing else."""

    has_time_frame: bool
    has_next_step: bool
    has_hype: bool
    words: int

    @property
    def faults(self) -> tuple[str, ...]:
        """What the experts find wrong with it."""
        found = {
            "time": not self.has_time_frame,
            "step": not self.has_next_step,
            "hype": self.has_hype,
            "long": self.words > MOST_WORDS,
        }
        return tuple(name for name, is_wrong in found.items() if is_wrong)


@dataclass(frozen=True, kw_only=True)
class DemoTrace:
    """One trace with the time it happened.

    Attributes:
        trace: The trace; its spans count nanoseconds from the beginning of the trace.
        offset_s: How many seconds before now it began.
        duration_ms: How long it took.
        qualities: What its last answer is like.
    """

    trace: Trace
    offset_s: int
    duration_ms: int
    qualities: Qualities


def make_traces() -> tuple[DemoTrace, ...]:
    """All traces of the demo, newest first."""
    rng = random.Random(_SEED)  # noqa: S311 - the same demo for everybody, no secret
    plans = [
        (scenario, which) for scenario in SCENARIOS for which in range(len(scenario.questions))
    ]
    rng.shuffle(plans)
    plans += [(scenario, 0) for scenario in SCENARIOS[:CONVERSATIONS]]
    fault_sets = _fault_sets(len(plans), rng)
    is_conversation = [False] * (len(plans) - CONVERSATIONS) + [True] * CONVERSATIONS
    ages = sorted(rng.sample(range(2 * 3600, 14 * 24 * 3600), len(plans)))
    made = []
    uses: dict[str, int] = {}
    for number, ((scenario, which), faults) in enumerate(zip(plans, fault_sets, strict=True)):
        use = uses[scenario.topic] = uses.get(scenario.topic, -1) + 1
        slots = {
            "product": scenario.products[which],
            "order": f"LO-{rng.randrange(41000, 48999)}",
            "day": rng.choice(_DAYS),
            "n": str(rng.choice((3, 4))),
            "amount": f"€{rng.randrange(9, 89)}.{rng.choice(('00', '50', '90'))}",
            "name": rng.choice(_NAMES),
        }
        answer = _answer(scenario, which, faults, slots, rng, variant=use)
        qualities = Qualities(
            has_time_frame="time" not in faults,
            has_next_step="step" not in faults,
            has_hype="hype" in faults,
            words=len(answer.replace("|", " ").replace("- ", " ").split()),
        )
        make = _conversation if is_conversation[number] else _single
        made.append(
            (
                make(
                    number, scenario, scenario.questions[which].format(**slots), answer, slots, rng
                ),
                qualities,
            )
        )
    rng.shuffle(made)
    return tuple(
        DemoTrace(trace=trace, offset_s=age, duration_ms=duration_ms(trace), qualities=qualities)
        for age, (trace, qualities) in zip(ages, made, strict=True)
    )


def _fault_sets(count: int, rng: random.Random) -> list[frozenset[str]]:
    """Which faults each answer is made with: from none to three, in all mixtures."""
    sets = []
    for size in cycle((0, 1, 2, 0, 2, 1, 3, 1, 2, 0, 2, 1, 0, 3, 2, 1, 0, 2, 3, 1, 2, 0)):
        # A missing time or next step is the more common fault.
        ranked = sorted(_FAULT_WEIGHTS, key=lambda name: rng.random() ** (1 / _FAULT_WEIGHTS[name]))
        sets.append(frozenset(ranked[len(ranked) - size :]))
        if len(sets) == count:
            rng.shuffle(sets)
            return sets
    return sets


def _answer(
    scenario: Scenario,
    which: int,
    faults: frozenset[str],
    slots: dict[str, str],
    rng: random.Random,
    *,
    variant: int,
) -> str:
    def pick(pair: tuple[str, str]) -> str:
        return pair[(variant + rng.randrange(3) // 2) % 2].format(**slots)

    fact = scenario.facts[which].format(**slots)
    timing = pick(scenario.vague if "time" in faults else scenario.soon)
    step = pick(scenario.dead_end if "step" in faults else scenario.step)
    hype = [pick(scenario.hype)] if "hype" in faults else []
    extra = [text.format(**slots) for text in scenario.extra] if "long" in faults else []
    greeting = rng.choice(_GREETINGS).format(**slots)
    before = [rng.choice(_THANKS)] if rng.random() < 0.25 else []
    before += [rng.choice(_APOLOGIES)] if rng.random() < 0.3 else []
    after = [rng.choice(_HEDGES)] if rng.random() < 0.08 else []
    closing = rng.choice(_CLOSINGS) if rng.random() < 0.4 else ""
    core_parts = [fact, timing, step]
    if rng.random() < 0.8:  # most answers that leave something out do not write around it
        core_parts = [
            fact,
            *([] if "time" in faults else [timing]),
            *([] if "step" in faults else [step]),
        ]
    if len(core_parts) == 3 and rng.random() < 0.12:
        core = "\n".join(f"- {text}" for text in (fact, timing, step))
    elif len(core_parts) == 3 and rng.random() < 0.05:
        rows = zip(("Situation", "Timing", "You"), (fact, timing, step), strict=True)
        core = "\n".join(["| What | Details |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)])
    else:
        core = " ".join((fact, *extra[:1], *core_parts[1:]))
        extra = extra[1:]
    parts = [[greeting], [" ".join([*before, *hype[: variant % 2]])], [core]]
    parts += [[" ".join([*hype[variant % 2 :], *extra, *after])], [closing]]
    text = "\n\n".join(part[0] for part in parts if part[0])
    if (
        "long" not in faults and len(text.split()) > MOST_WORDS - 2
    ):  # ornaments must not make it long
        text = "\n\n".join(filter(None, (core, " ".join(hype))))
    return text


def _single(
    number: int,
    scenario: Scenario,
    question: str,
    answer: str,
    slots: dict[str, str],
    rng: random.Random,
) -> Trace:
    inputs, outputs = {"question": question}, {"answer": answer}
    steps = []
    if rng.random() < 0.6:
        found = help_pages(scenario.topic)[: rng.randrange(1, 5)]
        steps.append(
            Step(
                name="search_help",
                span_type="RETRIEVER",
                inputs={"query": scenario.topic},
                outputs=found,
                milliseconds=rng.randrange(40, 260),
            )
        )
    asked = [
        {"role": "system", "content": "You help customers of Lumen & Oak."},
        {"role": "user", "content": question},
    ]
    steps.append(
        Step(
            name="chat",
            span_type="LLM",
            inputs={"messages": asked},
            outputs={"role": "assistant", "content": answer},
            milliseconds=llm_milliseconds(answer, rng),
        )
    )
    return Trace(
        trace_id=trace_id(number),
        inputs=inputs,
        outputs=outputs,
        spans=spans_of(number, inputs, outputs, steps),
        tags={"channel": rng.choice(("web chat", "email", "app")), "topic": scenario.topic},
        metadata={"customer": slots["name"], "assistant_version": rng.choice(("2.3", "2.4"))},
    )


_OPENINGS = (
    ("Hi, I need help with an order.", "Of course. What is the order number?"),
    ("Hello?", "Hello, this is the assistant of Lumen & Oak. What can I do for you?"),
    (
        "Is anybody there?",
        "Yes, I am. Could you give me your order number, so that I can look it up?",
    ),
    (
        "I have a question about something I bought.",
        "I am happy to look it up. Do you have the order number?",
    ),
    ("Good evening, it's about my order.", "Good evening. Which order is it about?"),
)
_STATES = ("packed", "handed over to the courier", "in transit", "delivered", "partly delivered")


def _conversation(
    number: int,
    scenario: Scenario,
    question: str,
    answer: str,
    slots: dict[str, str],
    rng: random.Random,
) -> Trace:
    request = question if slots["order"] in question else f"It is {slots['order']}. {question}"
    opening, reply = _OPENINGS[number % len(_OPENINGS)]
    call = {
        "id": f"call_{number}",
        "type": "function",
        "function": {"name": "lookup_order", "arguments": json.dumps({"order_id": slots["order"]})},
    }
    found = {
        "order_id": slots["order"],
        "status": rng.choice(_STATES),
        "items": [{"name": slots["product"], "quantity": rng.choice((1, 1, 2, 4))}],
        "paid": slots["amount"],
    }
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": opening},
        {"role": "assistant", "content": reply},
        {"role": "user", "content": request},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {
            "role": "tool",
            "name": "lookup_order",
            "tool_call_id": call["id"],
            "content": json.dumps(found),
        },
    ]
    inputs, outputs = {"messages": messages}, {"message": {"role": "assistant", "content": answer}}
    arguments = {"order_id": slots["order"]}
    lookup = Step(
        name="lookup_order",
        span_type="TOOL",
        inputs=arguments,
        outputs=found,
        milliseconds=rng.randrange(60, 420),
    )
    decide = Step(
        name="chat",
        span_type="LLM",
        inputs={"messages": messages[:3]},
        outputs=messages[3],
        milliseconds=rng.randrange(300, 900),
    )
    failed = Step(
        name="lookup_order",
        span_type="TOOL",
        inputs=arguments,
        outputs=None,
        milliseconds=3000,
        error="The order service did not answer within 3 s.",
    )
    write = Step(
        name="chat",
        span_type="LLM",
        inputs={"messages": messages},
        outputs=outputs["message"],
        milliseconds=llm_milliseconds(answer, rng),
    )
    steps = [decide, *([failed] if number % CONVERSATIONS in {3, 11} else []), lookup, write]
    return Trace(
        trace_id=trace_id(number),
        inputs=inputs,
        outputs=outputs,
        spans=spans_of(number, inputs, outputs, steps),
        tags={"channel": "web chat", "topic": scenario.topic},
        metadata={
            "customer": slots["name"],
            "session": f"chat-{3100 + number}",
            "assistant_version": "2.4",
        },
    )
